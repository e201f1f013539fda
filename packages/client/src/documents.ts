import { isObject } from './answers.ts'
import { type Api, posted } from './api.ts'
import { AttacheError } from './errors.ts'
import { inParallel } from './pool.ts'
import { type AttachmentTriple, type DocumentAttachments, type DocumentValue, PATHS } from './wire.ts'

/**
 * Every attachment that a document names, each once, in the order of the document: of the form, of its details, of their
 * invoices, and of the approvals in `logs`.
 */
export function attachmentsOf({ form, logs }: Pick<DocumentValue, 'form' | 'logs'>): AttachmentTriple[] {
  const details = listIn(form, 'details').map((detail) => (isObject(detail) ? detail['feeTypeForm'] : undefined))
  const found = [
    ...triplesIn(form),
    ...details.flatMap((detail) => [
      ...triplesIn(detail),
      ...triplesIn(isObject(detail) ? detail['invoiceForm'] : undefined),
    ]),
    ...(logs ?? []).flatMap(triplesIn),
  ]
  return [...new Map(found.map((triple) => [`${triple.fileId}\0${triple.key}`, triple])).values()]
}

function triplesIn(holder: unknown): AttachmentTriple[] {
  return listIn(holder, 'attachments').flatMap((one) => {
    if (!isObject(one)) return []
    const { key, fileId, fileName } = one
    if (typeof key !== 'string' || typeof fileId !== 'string' || key === '' || fileId === '') return []
    return [{ key, fileId, ...(typeof fileName === 'string' && fileName !== '' && { fileName }) }]
  })
}

function listIn(holder: unknown, field: string): unknown[] {
  const list = isObject(holder) ? holder[field] : undefined
  return Array.isArray(list) ? list : []
}

export interface DocumentsOptions {
  api: Api
  concurrency: number
}

const MOST_DOCUMENTS = 100

/** The two questions about documents. */
export function documents({ api, concurrency }: DocumentsOptions) {
  return {
    async byCode(code: string, signal: AbortSignal | undefined): Promise<DocumentValue> {
      const path = `${PATHS.documentByCode}?code=${encodeURIComponent(code)}`
      return documentIn(await api({ operation: 'document', path, init: { method: 'GET' }, signal }))
    },

    /** In the order of the ids, a hundred in one request. */
    async attachments(flowIds: readonly string[], signal: AbortSignal | undefined): Promise<DocumentAttachments[]> {
      const slices = Array.from({ length: Math.ceil(flowIds.length / MOST_DOCUMENTS) }, (_, index) =>
        flowIds.slice(index * MOST_DOCUMENTS, (index + 1) * MOST_DOCUMENTS),
      )
      const all: DocumentAttachments[] = []
      const ask = async (slice: readonly string[], stop: AbortSignal) => {
        const call = { operation: 'documentAttachments', path: PATHS.documentAttachments, signal: stop }
        return listedIn(await api({ ...call, ...posted({ flowIds: slice }) }))
      }
      for await (const listed of inParallel(slices, { concurrency, signal }, ask)) all.push(...listed)
      const order = new Map(flowIds.map((id, index) => [id, index]))
      return all.sort((one, other) => (order.get(one.flowId) ?? 0) - (order.get(other.flowId) ?? 0))
    },
  }
}

function documentIn(answer: unknown): DocumentValue {
  const value = isObject(answer) ? answer['value'] : undefined
  if (!isObject(value) || typeof value['id'] !== 'string' || !isObject(value['form'])) {
    throw new AttacheError('the answer holds no document', { kind: 'protocol', operation: 'document' })
  }
  return {
    ...value,
    id: value['id'],
    form: value['form'],
    ...(Array.isArray(value['logs']) && { logs: value['logs'] }),
  }
}

function listedIn(answer: unknown): DocumentAttachments[] {
  const items = isObject(answer) ? answer['items'] : undefined
  if (!Array.isArray(items)) {
    throw new AttacheError('the answer holds no items', { kind: 'protocol', operation: 'documentAttachments' })
  }
  return items.filter((item): item is DocumentAttachments => isObject(item) && Array.isArray(item['attachmentList']))
}
