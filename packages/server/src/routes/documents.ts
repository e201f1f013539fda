import { type DocumentRequest, isDocumentRequest, MAX_LOGS, PATHS, wrongDocumentFields } from '@attache/protocol'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { Caller } from '../attachments/access-tokens.ts'
import type { NewDocumentOptions, UpdateOptions } from '../attachments/documents.ts'
import { Failure } from '../errors.ts'
import type { JsonText } from '../http/json.ts'
import type { DocumentRecord } from '../records/document-records.ts'
import { keepJsonText } from './json-body.ts'

export interface DocumentsDeps {
  documents: {
    create(body: JsonText<DocumentRequest>, options: NewDocumentOptions): Promise<DocumentRecord>
    update(body: JsonText<DocumentRequest>, options: UpdateOptions): Promise<DocumentRecord>
    byId(flowId: string, caller: Caller): Promise<DocumentRecord>
    byCode(code: string, caller: Caller): Promise<DocumentRecord>
  }
}

interface Saving {
  Body: unknown
  Querystring: Record<string, string | undefined>
  Params: { dollarFlowId?: string }
}

export const DOCUMENT_BODY_LIMIT = 2 * 1024 * 1024

/** Documents as callers save and read them. Their forms are written into the answers as they are stored, never through objects. */
export function documentRoutes(app: FastifyInstance, { documents }: DocumentsDeps): void {
  keepJsonText(app)
  const options = { bodyLimit: DOCUMENT_BODY_LIMIT }

  app.post<Saving>(PATHS.createDocument, options, async (request, reply) => {
    const commit = flagOf(request.query['isCommit'])
    return sendSaved(reply, await documents.create(bodyOf(request), { caller: request.caller, commit }))
  })

  app.put<Saving>(PATHS.updateDocument, options, async (request, reply) => {
    const { dollarFlowId = '' } = request.params
    if (!dollarFlowId.startsWith('$')) throw new Failure('NotFound')
    const edit = editOf(request.query['editFlag'])
    const flowId = dollarFlowId.slice(1)
    return sendSaved(reply, await documents.update(bodyOf(request), { caller: request.caller, flowId, edit }))
  })

  app.get<Saving>(PATHS.document, async ({ query, caller }, reply) =>
    sendFound(reply, await documents.byId(query['flowId'] ?? '', caller)),
  )

  app.get<Saving>(PATHS.documentByCode, async ({ query, caller }, reply) =>
    sendFound(reply, await documents.byCode(query['code'] ?? '', caller)),
  )

  function bodyOf({ body }: FastifyRequest<Saving>): JsonText<DocumentRequest> {
    const { text, value } = (body ?? {}) as Partial<JsonText<unknown>>
    if (text === undefined || typeof value !== 'object' || value === null || Array.isArray(value)) {
      throw new Failure('InvalidJson', { details: [{ path: '', message: '请求体必须为对象' }] })
    }
    if (isDocumentRequest(value)) return { text, value }
    const wrong = wrongDocumentFields({ ...value })
    const details = wrong.map((path) => ({ path, message: WANTED[path] ?? '不正确' }))
    throw new Failure('InvalidItems', { message: `${details[0]?.path}${details[0]?.message}`, details })
  }
}

const WANTED: Record<string, string> = {
  form: '必须为对象',
  params: '必须为对象',
  logs: `必须为不超过${MAX_LOGS}项的数组`,
  receipts: '必须为数组',
}

/** Callers in Python write `True`. */
function flagOf(isCommit = 'false'): boolean {
  if (/^true$/i.test(isCommit)) return true
  if (/^(false)?$/i.test(isCommit)) return false
  throw new Failure('InvalidParameter', { message: '参数isCommit必须为true或false' })
}

function editOf(editFlag = 'cover'): UpdateOptions['edit'] {
  if (editFlag === 'increment') return editFlag
  if (editFlag === 'cover' || editFlag === '') return 'cover'
  throw new Failure('InvalidParameter', { message: '参数editFlag必须为cover或increment' })
}

function sendSaved(reply: FastifyReply, document: DocumentRecord): FastifyReply {
  return sendJson(reply, `{"value":"","type":-1,"flow":${jsonOf(document)}}`)
}

function sendFound(reply: FastifyReply, document: DocumentRecord): FastifyReply {
  return sendJson(reply, `{"value":${jsonOf(document)}}`)
}

function sendJson(reply: FastifyReply, text: string): FastifyReply {
  return reply.type('application/json; charset=utf-8').send(text)
}

/** `DocumentValue`, the form and the logs in their own spelling. */
function jsonOf(document: DocumentRecord): string {
  const { flowId: id, corporationId, version, createdAt: createTime, updatedAt: updateTime, state, formType } = document
  const head = { id, corporationId, active: true, version, createTime, updateTime, state, formType }
  return `${JSON.stringify(head).slice(0, -1)},"form":${document.form},"logs":${document.logs}}`
}
