import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { Caller, IssuedLinks } from '../attachments/access-tokens.ts'
import type { AuditLog } from '../audit/audit-log.ts'
import type { Authenticated } from '../oss/authenticate.ts'
import type { AttachmentRecord } from '../records/record-store.ts'
import { OBJECT_PATH } from './object-path.ts'

declare module 'fastify' {
  interface FastifyRequest {
    /** What routes learn of a request, for the audit log. */
    trail: Trail
  }
}

export interface Trail {
  address: string
  /** Code of the failure that was answered. */
  refused?: string
  detail?: string | undefined
  claimedAppKey?: string
  asked?: Authenticated
  record?: AttachmentRecord
  uploaded?: AttachmentRecord
  issued?: IssuedLinks
  /** What the connection had written before this request. */
  bytesBefore: number
}

const FILES_OF_A_LINE = 500
const LONGEST_PATH = 512
const LONGEST_NAME = 64

/** What the audit log is told of a request; `tellAudit` tells it. */
export function keepTrails(app: FastifyInstance): void {
  app.decorateRequest('trail')
  app.addHook('onRequest', (request, _reply, done) => {
    // Of a connection that is closed neither can be asked any more.
    request.trail = { address: request.ip, bytesBefore: request.raw.socket.bytesWritten ?? 0 }
    done()
  })
}

/** The caller of a request that asks for links, with an ear for those that are issued. */
export function auditedCaller(request: FastifyRequest): Caller {
  const { caller, trail } = request
  return {
    ...caller,
    issued(links) {
      trail.issued = links
    },
  }
}

/** Lines for the audit log, once a request has ended: what was issued, used, uploaded, refused. */
export function tellAudit(request: FastifyRequest, reply: FastifyReply, audit: Pick<AuditLog, 'note'>): void {
  const { trail, caller } = request
  const common = { request: request.id, address: trail.address }
  const by = caller && { ...common, corporationId: caller.corporationId, appKey: caller.appKey }
  if (trail.refused !== undefined) {
    if (isAudited(trail.refused, reply.statusCode)) tellRefusal(request, reply, audit)
  } else if (trail.record && trail.asked) {
    audit.note({ act: 'use', ...common, ...useOf(request, reply), ...sentOf(request, reply) })
  } else if (trail.uploaded) {
    const { fileId, key, size, sha256 } = trail.uploaded
    audit.note({ act: 'upload', ...by, fileId, key, size, sha256 })
  }
  const { files, expiration } = trail.issued ?? NOTHING
  for (let from = 0; from < files.length; from += FILES_OF_A_LINE) {
    const to = from + FILES_OF_A_LINE
    const life = typeof expiration === 'number' ? expiration : expiration.slice(from, to)
    audit.note({ act: 'links', ...by, files: files.slice(from, to), expiration: life })
  }
}

const NOTHING: IssuedLinks = { files: [], expiration: 0 }

const TELLING = new Set(['Infected', 'TooManyAttempts', 'RateLimited', 'QpsLimitExceeded'])

/** Mistakes in what was asked are no matter of access. */
function isAudited(code: string, status: number): boolean {
  return status === 403 || (status === 404 && code !== 'NotFound') || TELLING.has(code)
}

function useOf({ trail, method }: FastifyRequest, { statusCode }: FastifyReply) {
  const { record, asked } = trail as Required<Pick<Trail, 'record' | 'asked'>>
  const { corporationId, fileId, key } = record
  const { accessKeyId } = asked.credential
  const process = asked.query.get('x-oss-process')
  const expiresAt = asked.expiresAt === undefined ? undefined : asked.expiresAt / 1000
  return { corporationId, fileId, key, accessKeyId, method, process, status: statusCode, expiresAt }
}

function sentOf({ raw, method, trail }: FastifyRequest, reply: FastifyReply): { complete: boolean; bytes?: number } {
  const complete = reply.raw.writableFinished
  if (reply.hasHeader('x-accel-redirect')) return { complete }
  const promised = method === 'HEAD' || reply.statusCode >= 300 ? 0 : Number(reply.getHeader('content-length') ?? 0)
  if (complete) return { complete, bytes: promised }
  // What the connection took is the head and as much of the body as it got to.
  const taken = (raw.socket.bytesWritten ?? 0) - trail.bytesBefore
  return { complete, bytes: Math.min(promised, Math.max(0, taken)) }
}

function tellRefusal(request: FastifyRequest, { statusCode }: FastifyReply, audit: Pick<AuditLog, 'note'>): void {
  const { caller, trail, method, id, originalUrl } = request
  const { refused: reason = '', detail, record, asked, address } = trail
  const path = originalUrl.split('?', 1)[0]?.slice(0, LONGEST_PATH) ?? ''
  const proven = {
    corporationId: caller?.corporationId ?? asked?.credential.corporationId,
    appKey: caller?.appKey,
    fileId: record?.fileId,
    key: record?.key ?? asked?.object.key,
  }
  const claimed = asked || caller ? undefined : claimsOf(request)
  const facts = { request: id, address, reason, status: statusCode, method, path, detail, claimed }
  audit.note({ act: 'refused', ...facts, ...proven })
}

/** What the request says of itself, without proof; the secret parts stay out. */
function claimsOf({ url, originalUrl, trail, headers }: FastifyRequest) {
  const appKey = trail.claimedAppKey?.slice(0, LONGEST_NAME)
  if (url !== OBJECT_PATH) return appKey === undefined ? undefined : { appKey }
  const [path = '', query = ''] = originalUrl.split('?', 2)
  const inQuery = /(?:^|&)(?:OSSAccessKeyId|x-oss-credential)=([^&/%]+)/.exec(query)?.[1]
  const inHeader = /^(?:OSS |OSS4-HMAC-SHA256 Credential=)([^:/]+)/.exec(headers.authorization ?? '')?.[1]
  const key = decoded(path.slice(path.lastIndexOf('/') + 1)).slice(0, LONGEST_PATH)
  return { accessKeyId: (inQuery ?? inHeader)?.slice(0, LONGEST_NAME), key }
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch (error) {
    if (error instanceof URIError) return text
    throw error
  }
}
