import { type DocumentAttachments, isDocumentAttachmentsRequest, MAX_LISTED_DOCUMENTS, PATHS } from '@attache/protocol'
import type { FastifyInstance } from 'fastify'
import type { Caller } from '../attachments/access-tokens.ts'
import { Failure } from '../errors.ts'
import { auditedCaller } from './audit-trail.ts'

export interface DocumentAttachmentsDeps {
  attachmentsOf(flowIds: readonly string[], caller: Caller): Promise<DocumentAttachments[]>
}

/** The attachments of many documents, each with a link. */
export function documentAttachmentsRoute(app: FastifyInstance, { attachmentsOf }: DocumentAttachmentsDeps): void {
  app.post(PATHS.documentAttachments, async (request) => {
    const { body } = request
    if (typeof body !== 'object' || body === null || Array.isArray(body))
      throw new Failure('InvalidJson', { details: [{ path: '', message: '请求体必须为对象' }] })
    if (!isDocumentAttachmentsRequest(body)) {
      const details = [{ path: 'flowIds', message: '必须为字符串的数组' }]
      throw new Failure('InvalidItems', { message: 'flowIds必须为字符串的数组', details })
    }
    if (body.flowIds.length > MAX_LISTED_DOCUMENTS)
      throw new Failure('TooManyItems', { message: `单次请求的单据数量不能超过${MAX_LISTED_DOCUMENTS}` })
    return { items: await attachmentsOf(body.flowIds, auditedCaller(request)) }
  })
}
