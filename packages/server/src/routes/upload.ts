import { PATHS, type UploadValue } from '@attache/protocol'
import type { FastifyInstance } from 'fastify'
import type { Caller } from '../attachments/access-tokens.ts'
import type { IncomingFile } from '../attachments/attachments.ts'
import { Failure } from '../errors.ts'
import type { AttachmentRecord } from '../records/record-store.ts'
import { readUploadForm } from './upload-form.ts'

export interface UploadDeps {
  attachments: { upload(file: IncomingFile, caller: Caller): Promise<AttachmentRecord> }
  maxUploadBytes: number
}

// Beyond this a body can't be an attachment with its form around it, and is refused unread.
const FORM_BYTES = 1024 * 1024

export function uploadRoute(app: FastifyInstance, { attachments, maxUploadBytes }: UploadDeps): void {
  app.post(PATHS.upload, async (request): Promise<UploadValue> => {
    const length = Number(request.headers['content-length'] ?? 0)
    if (length > 2 * maxUploadBytes + FORM_BYTES) throw new Failure('BodyTooLarge')
    const form = readUploadForm(request.raw, maxUploadBytes)
    const record = await form.take((file) => attachments.upload(file, request.caller))
    request.trail.uploaded = record
    const { key, fileId, fileName, size } = record
    return { value: { key, fileId, fileName, empty: size === 0 } }
  })
}
