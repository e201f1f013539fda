import { Readable } from 'node:stream'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { EPOCH } from '../attachments/links.ts'
import type { BlobBody, ByteRange } from '../blobs/blob-store.ts'
import { conditionOf, rangeApplies, type Validators } from '../http/conditional.ts'
import { rangeOf } from '../http/range.ts'
import type { RenderedImage, ThumbnailSource } from '../images/thumbnails.ts'
import { type Authenticated, type AuthenticationRules, authenticate } from '../oss/authenticate.ts'
import { OssFailure } from '../oss/failure.ts'
import { isSubResource } from '../oss/signature.ts'
import type { AttachmentRecord } from '../records/record-store.ts'
import { acceleratedPath, addressAtStore, type Delivery, sendRedirect } from './object-delivery.ts'
import { inBytes, linkHeaders, overridesOf, recordHeaders } from './object-headers.ts'
import { OBJECT_PATH } from './object-path.ts'

export interface ObjectsDeps {
  attachments: {
    byKey(key: string, corporationId: string | undefined): Promise<AttachmentRecord | undefined>
    forget(key: string): void
  }
  contents: { read(record: AttachmentRecord, range: ByteRange): Promise<BlobBody | undefined> }
  credentials: Pick<AuthenticationRules, 'signingKey'>
  /** Seconds to wait where a corporation asked for too many thumbnails. */
  quotas: { thumbnail(corporationId: string): number | undefined }
  thumbnails: { render(source: ThumbnailSource, process: string): Promise<RenderedImage> }
  delivery: Delivery
  now(): number
  bucket: string
  region: string
  strict: boolean
  rangeBehaviour: 'rfc' | 'oss'
}

/** The data plane: signed GET and HEAD of attachments, in the manner of OSS. */
export function objectsRoute(app: FastifyInstance, deps: ObjectsDeps): void {
  app.removeAllContentTypeParsers()
  app.addContentTypeParser('*', (_request, _body, done) => done(null))
  app.all(OBJECT_PATH, async (request, reply) => {
    const { method } = request
    const asked = await authenticate(
      { method, target: request.originalUrl, headers: utf8Headers(request) },
      {
        defaultBucket: deps.bucket,
        region: deps.region,
        strict: deps.strict,
        now: deps.now(),
        signingKey: deps.credentials.signingKey,
      },
    )
    request.trail.asked = asked
    const record = await recordFor(asked, method, deps)
    request.trail.record = record
    refuseRevoked(asked, record)
    if (asked.query.has('x-oss-process')) return sendProcessed({ request, reply, asked, record, deps })
    return sendOriginal({ request, reply, asked, record, deps })
  })
}

interface Exchange {
  request: FastifyRequest
  reply: FastifyReply
  asked: Authenticated
  record: AttachmentRecord
  deps: ObjectsDeps
}

async function recordFor(
  { object, query, credential }: Authenticated,
  method: string,
  deps: ObjectsDeps,
): Promise<AttachmentRecord> {
  const { bucket, key } = object
  if (bucket !== deps.bucket) throw new OssFailure('NoSuchBucket', { elements: { BucketName: bucket } })
  if (key === '' || (method !== 'GET' && method !== 'HEAD')) {
    throw new OssFailure('MethodNotAllowed', {
      elements: { Method: method, ResourceType: key === '' ? 'Bucket' : 'Object' },
    })
  }
  const foreign = [...query.keys()].find(
    (name) => isSubResource(name) && !SERVED.has(name) && !name.startsWith('x-oss-signature'),
  )
  if (foreign !== undefined) throw new OssFailure('NotImplemented', { elements: { ArgumentName: foreign } })
  const record = await deps.attachments.byKey(key, credential.corporationId)
  if (record === undefined) throw new OssFailure('NoSuchKey', { elements: { Key: key } })
  return record
}

/** A request signed in its header is no link that was given away: whoever makes it holds the pair. */
function refuseRevoked({ query, expiresAt }: Authenticated, { linkEpoch }: AttachmentRecord): void {
  if (expiresAt !== undefined && (query.get(EPOCH) ?? '0') !== String(linkEpoch)) throw new OssFailure('LinkRevoked')
}

// A restriction that we would not honour, such as x-oss-ac-source-ip, is refused rather than passed over.
const SERVED = new Set(
  `security-token x-oss-process x-oss-security-token x-oss-credential x-oss-date x-oss-expires x-oss-additional-headers
  x-oss-traffic-limit x-oss-request-payer response-content-type response-content-language response-expires response-cache-control
  response-content-disposition response-content-encoding objectMeta ${EPOCH}`.split(/\s+/),
)

async function sendOriginal({ request, reply, asked, record, deps }: Exchange): Promise<FastifyReply> {
  const { headers } = request
  reply.headers(recordHeaders(record)).headers(linkHeaders(asked, deps.now()))
  const validators = { etag: `"${record.md5.toUpperCase()}"`, lastModifiedMs: record.createdAt }
  if (refusedByCondition(request, reply, validators, deps.now())) return reply.code(304).send()
  const overrides = overridesOf(asked.query)
  const delivered = { request, asked, record, overrides, now: deps.now() }
  const address = await addressAtStore(delivered, deps.delivery)
  if (address !== undefined) return sendRedirect(reply, address)
  reply.headers(inBytes(overrides))
  const behaviour = headers['x-oss-range-behavior'] === 'standard' ? 'rfc' : deps.rangeBehaviour
  const wanted = rangeApplies(request.raw.headers['if-range'] as string | undefined, validators, deps.now())
    ? rangeOf(headers.range, record.size, behaviour)
    : 'whole'
  if (wanted === 'unsatisfiable') {
    reply.header('content-range', `bytes */${record.size}`)
    throw new OssFailure('InvalidRange', {
      elements: { ActualObjectSize: String(record.size), RangeRequested: headers.range ?? '' },
    })
  }
  const path = request.method === 'GET' ? acceleratedPath(delivered, deps.delivery, wanted === 'whole') : undefined
  if (path !== undefined) return reply.removeHeader('accept-ranges').header('x-accel-redirect', path).send()
  const range = wanted === 'whole' ? { first: 0, last: record.size - 1 } : wanted
  if (wanted !== 'whole') reply.code(206).header('content-range', `bytes ${range.first}-${range.last}/${record.size}`)
  reply.header('content-length', range.last - range.first + 1)
  if (request.method === 'HEAD' || record.size === 0) return reply.send()
  return sendBody(reply, await bodyOf(record, range, deps))
}

/** Another process may have removed the attachment a moment ago; a blob that is missing for any other reason is a fault. */
async function bodyOf(
  record: AttachmentRecord,
  range: ByteRange,
  { attachments, contents }: ObjectsDeps,
): Promise<BlobBody> {
  const body = await contents.read(record, range)
  if (body !== undefined) return body
  attachments.forget(record.key)
  const again = await attachments.byKey(record.key, record.corporationId)
  if (again === undefined) throw new OssFailure('NoSuchKey', { elements: { Key: record.key } })
  throw new Error(`the blob of attachment ${record.fileId} is missing`)
}

/** A caller that leaves closes the connection, not the stream: without this the file would stay open. */
function sendBody(reply: FastifyReply, body: BlobBody): FastifyReply {
  if (body instanceof Readable) reply.raw.once('close', () => body.destroy())
  return reply.send(body)
}

async function sendProcessed({ request, reply, asked, record, deps }: Exchange): Promise<FastifyReply> {
  const validators = { etag: `"${record.md5.toUpperCase()}"`, lastModifiedMs: record.createdAt }
  const retryAfterSeconds = deps.quotas.thumbnail(record.corporationId)
  if (retryAfterSeconds !== undefined) throw new OssFailure('QpsLimitExceeded', { retryAfterSeconds })
  const image = await deps.thumbnails.render(record, asked.query.get('x-oss-process') ?? '')
  reply
    .headers(linkHeaders(asked, deps.now()))
    .headers({ etag: validators.etag, 'last-modified': new Date(record.createdAt).toUTCString() })
  if (refusedByCondition(request, reply, validators, deps.now())) return reply.code(304).send()
  reply
    .headers({ 'content-type': image.contentType, 'content-length': image.body.length })
    .headers(inBytes(overridesOf(asked.query)))
  return request.method === 'HEAD' ? reply.send() : reply.send(image.body)
}

function refusedByCondition(
  request: FastifyRequest,
  reply: FastifyReply,
  validators: Validators,
  now: number,
): boolean {
  const outcome = conditionOf(request.headers, validators, now)
  if (outcome === 'proceed') return false
  if (outcome !== 'not-modified')
    throw new OssFailure('PreconditionFailed', { elements: { Condition: outcome.failed } })
  for (const name of ['content-type', 'content-md5', 'content-disposition', 'x-oss-hash-crc64ecma'])
    reply.removeHeader(name)
  return true
}

/** Node reads header bytes as latin1; callers sign them as UTF-8. */
function utf8Headers({ headers }: FastifyRequest): Record<string, string> {
  const plain = headers as Record<string, string>
  if (!Object.values(plain).some((value) => /[\x80-\xff]/.test(value))) return plain
  return Object.fromEntries(
    Object.entries(plain).map(([name, value]) => [name, Buffer.from(value, 'latin1').toString('utf8')]),
  )
}
