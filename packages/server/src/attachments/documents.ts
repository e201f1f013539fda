import type { DocumentRequest } from '@attache/protocol'
import { Failure, type FailureDetail } from '../errors.ts'
import type { JsonText } from '../http/json.ts'
import type { CodeSeries, DocumentListing, DocumentRecord, DocumentRecords } from '../records/document-records.ts'
import type { Caller } from './access-tokens.ts'
import type { AttachmentName } from './attachments.ts'
import { changed, type Edit, stored } from './document-change.ts'
import { codeSlot, readDocument } from './document-form.ts'
import { type FoundTriple, isShortText, LONGEST_ID } from './document-triples.ts'
import { inTurns } from './in-turns.ts'
import { newFileId } from './object-key.ts'

export interface DocumentsOptions {
  records: DocumentRecords
  attachments: { unknownAmong(asked: readonly AttachmentName[], caller: Caller): Promise<number[]> }
  now(): number
}

export interface NewDocumentOptions {
  caller: Caller
  /** Handed in for approval at once, or a draft. */
  commit: boolean
}

export interface UpdateOptions {
  caller: Caller
  flowId: string
  edit: Edit
}

export type Documents = ReturnType<typeof documents>

const MOST_ATTEMPTS = 10

export function documents({ records, attachments, now }: DocumentsOptions) {
  const newId = () => newFileId(now())
  // Within this process updates of one document wait for each other; versions hold them apart across nodes.
  const turns = inTurns()

  async function create(
    body: JsonText<DocumentRequest>,
    { caller, commit }: NewDocumentOptions,
  ): Promise<DocumentRecord> {
    const { form, code, outerCode = null, formType = 'expense', logs = '[]', triples } = readDocument(body, newId)
    await refuseForeign(triples, caller)
    const createdAt = now()
    const added = await records.add({
      flowId: newFileId(createdAt),
      corporationId: caller.corporationId,
      code: code ?? codesOf(createdAt),
      outerCode,
      state: commit ? 'approving' : 'draft',
      formType,
      form: code === undefined ? codeSlot(form) : () => form,
      attachments: JSON.stringify(triples.map(stored)),
      logs,
      createdAt,
    })
    if (added === 'code-taken') throw new Failure('CodeTaken')
    if (added === 'outer-code-taken') throw new Failure('OuterCodeTaken')
    return added
  }

  /** An update that meets another is done again on what the other left, so neither is lost. */
  async function update(
    body: JsonText<DocumentRequest>,
    { caller, flowId, edit }: UpdateOptions,
  ): Promise<DocumentRecord> {
    const sent = readDocument(body, newId)
    return turns(flowId, async () => {
      let current = await byId(flowId, caller)
      await refuseForeign(sent.triples, caller)
      for (let attempt = 0; attempt < MOST_ATTEMPTS; attempt++) {
        const next = changed(current, sent, { edit, at: now() })
        const outcome = await records.replace(next)
        if (outcome === 'replaced') return next
        if (outcome === 'outer-code-taken') throw new Failure('OuterCodeTaken')
        current = await byId(flowId, caller)
      }
      throw new Failure('DocumentBusy')
    })
  }

  async function refuseForeign(triples: readonly FoundTriple[], caller: Caller): Promise<void> {
    const unknown = await attachments.unknownAmong(
      triples.map(({ fileId: id, key }) => ({ id, key })),
      caller,
    )
    const details: FailureDetail[] = unknown.map((index) => ({
      path: triples[index]?.path ?? '',
      message: '不是本企业的附件，请检查key和fileId',
    }))
    const [first] = details
    if (first) throw new Failure('UnknownAttachment', { message: `${first.path}${first.message}`, details })
  }

  async function byId(flowId: string, caller: Caller): Promise<DocumentRecord> {
    return active(isId(flowId) ? await records.byId(flowId) : undefined, caller)
  }

  return {
    create,
    update,
    byId,

    async byCode(code: string, caller: Caller): Promise<DocumentRecord> {
      return active(isId(code) ? await records.byCode(caller.corporationId, code) : undefined, caller)
    },

    /** In the order asked, without their forms. */
    async listings(flowIds: readonly string[], caller: Caller): Promise<DocumentListing[]> {
      const found = new Map(
        (await records.listings(flowIds.filter(isId))).map((document) => [document.flowId, document]),
      )
      const listed: DocumentListing[] = []
      const details: FailureDetail[] = []
      for (const [index, flowId] of flowIds.entries()) {
        const document = found.get(flowId)
        if (document?.corporationId === caller.corporationId) listed.push(document)
        else details.push({ path: `flowIds[${index}]`, message: '单据不存在' })
      }
      if (details.length > 0) throw new Failure('ListedDocumentUnknown', { details })
      return listed.map((document) => active(document, caller))
    },
  }
}

/** What no document can be called by isn't asked for: PostgreSQL refuses some of it. */
function isId(text: string): boolean {
  return isShortText(text, LONGEST_ID)
}

/** Another corporation's document is none. */
function active<Document extends Pick<DocumentRecord, 'corporationId' | 'deletedAt'>>(
  document: Document | undefined,
  { corporationId }: Caller,
): Document {
  if (document?.corporationId !== corporationId) throw new Failure('DocumentUnknown')
  if (document.deletedAt !== null) throw new Failure('DocumentRemoved')
  return document
}

const CHINA_OFFSET_MS = 8 * 3_600_000

/** `B`, the year in China, six digits. */
function codesOf(at: number): CodeSeries {
  const year = new Date(at + CHINA_OFFSET_MS).getUTCFullYear() % 100
  return { year, spell: (count) => `B${String(year).padStart(2, '0')}${String(count).padStart(6, '0')}` }
}
