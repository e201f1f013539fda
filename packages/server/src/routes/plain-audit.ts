import type { AuditLog } from '../audit/audit-log.ts'
import type { Answered } from './plain-requests.ts'

/** The lines of the audit log that `tellAudit` would write of the same request. */
export function tellPlain(
  { id, response, address, used, issued, bytesBefore, bytesAfter }: Answered,
  audit: Pick<AuditLog, 'note'>,
) {
  const common = { request: id, address }
  if (used) {
    const { record, process, accessKeyId, expiresAt, status, bytes } = used
    const { corporationId, fileId, key } = record
    const complete = response.writableFinished
    const taken = Math.max(0, bytesAfter - bytesBefore)
    const sent = { status, complete, bytes: complete ? bytes : Math.min(bytes, taken) }
    const named = { corporationId, fileId, key, accessKeyId, method: 'GET', process }
    audit.note({ act: 'use', ...common, ...named, ...sent, expiresAt: expiresAt / 1000 })
  }
  if (issued) {
    const { caller, asked } = issued
    const [{ expiration: first } = { expiration: 0 }] = asked
    const same = asked.every(({ expiration }) => expiration === first)
    const expiration = same ? first : asked.map(({ expiration }) => expiration)
    const by = { ...common, corporationId: caller.corporationId, appKey: caller.appKey }
    if (asked.length > 0) audit.note({ act: 'links', ...by, files: asked.map(({ id }) => id), expiration })
  }
}
