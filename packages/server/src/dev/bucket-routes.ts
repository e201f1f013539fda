import { createHash } from 'node:crypto'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { rangeOf } from '../http/range.ts'
import { type AuthenticationRules, authenticate } from '../oss/authenticate.ts'
import { OssFailure } from '../oss/failure.ts'
import { isSubResource } from '../oss/signature.ts'
import { type XmlContent, xmlOf } from '../oss/xml.ts'
import { renderObjectFailures } from '../routes/object-failures.ts'
import { inBytes, overridesOf } from '../routes/object-headers.ts'
import type { MemoryBucket, StoredObject } from './bucket.ts'
import { bucketListing } from './bucket-listing.ts'
import type { BucketUploads } from './bucket-uploads.ts'

export interface BucketRoutesDeps {
  bucket: MemoryBucket
  uploads: BucketUploads
  name: string
  rules: Omit<AuthenticationRules, 'now' | 'defaultBucket'>
  now(): number
}

/** A signed request for the bucket or for an object in it. */
interface Call {
  request: FastifyRequest
  reply: FastifyReply
  key: string
  query: ReadonlyMap<string, string>
  deps: BucketRoutesDeps
}

const MOST_BODY_BYTES = 128 * 1024 * 1024

/** The part of OSS that writes: put, get, head, delete, multipart uploads and lists of one bucket, below `/<name>`. */
export function bucketRoutes(scope: FastifyInstance, deps: BucketRoutesDeps): void {
  const { name, now } = deps
  renderObjectFailures(scope, { witness: { refused() {} }, now })
  scope.removeAllContentTypeParsers()
  scope.addContentTypeParser('*', (_request, _body, done) => done(null))
  scope.addHook('onRequest', (request, reply, done) => {
    reply.headers({ server: 'AliyunOSS', 'x-oss-request-id': request.id }).removeHeader('cache-control')
    done()
  })
  for (const path of [`/${name}`, `/${name}/*`]) {
    scope.all(path, async (request, reply) => {
      const { method, originalUrl: target } = request
      const headers = request.headers as Record<string, string>
      const rules = { ...deps.rules, defaultBucket: name, now: now() }
      const { object, query } = await authenticate({ method, target, headers }, rules)
      if (object.bucket !== name) throw new OssFailure('NoSuchBucket', { elements: { BucketName: object.bucket } })
      const operation = operationOf(method, object.key, query)
      refuseForeign(query, headers)
      return operation({ request, reply, key: object.key, query, deps })
    })
  }
}

type Operation = (call: Call) => FastifyReply | Promise<FastifyReply>

function operationOf(method: string, key: string, query: ReadonlyMap<string, string>): Operation {
  const inParts = query.has('uploadId')
  if (key === '') {
    if (method === 'GET' && query.get('list-type') === '2') return listObjects
  } else if (method === 'GET' || method === 'HEAD') {
    if (!inParts) return readObject
  } else if (method === 'PUT') return inParts ? uploadPart : putObject
  else if (method === 'DELETE') return inParts ? abortUpload : removeObject
  else if (method === 'POST') {
    if (query.has('uploads')) return beginUpload
    if (inParts) return completeUpload
  }
  const ResourceType = key === '' ? 'Bucket' : 'Object'
  throw new OssFailure('MethodNotAllowed', { elements: { Method: method, ResourceType } })
}

const SERVED = new Set(
  `security-token x-oss-security-token x-oss-credential x-oss-date x-oss-expires x-oss-additional-headers
  x-oss-signature-version x-oss-signature response-content-type response-content-language response-expires
  response-cache-control response-content-disposition response-content-encoding objectMeta uploads uploadId partNumber
  continuation-token`.split(/\s+/),
)

/** What would change the meaning of a request is refused rather than passed over. */
function refuseForeign(query: ReadonlyMap<string, string>, headers: Record<string, string>): void {
  const foreign = [...query.keys()].find((name) => (isSubResource(name) && !SERVED.has(name)) || name === 'delimiter')
  const header = 'x-oss-copy-source' in headers ? 'x-oss-copy-source' : undefined
  const argument = foreign ?? header
  if (argument !== undefined) throw new OssFailure('NotImplemented', { elements: { ArgumentName: argument } })
}

const KEPT = /^(content-type|cache-control|content-disposition|content-encoding|expires|x-oss-meta-.+)$/

function keptHeaders({ headers }: FastifyRequest): Record<string, string> {
  const kept = Object.entries(headers).filter(([name]) => KEPT.test(name)) as [string, string][]
  return { 'content-type': 'application/octet-stream', ...Object.fromEntries(kept) }
}

async function putObject({ request, reply, key, deps }: Call): Promise<FastifyReply> {
  const bytes = await bodyOf(request)
  const { etag, crc64 } = await deps.bucket.put({ key, bytes, headers: keptHeaders(request) })
  return reply.headers({ etag, 'x-oss-hash-crc64ecma': crc64, 'content-md5': md5Of(bytes) }).send()
}

function beginUpload({ request, reply, key, deps }: Call): FastifyReply {
  const uploadId = deps.uploads.begin({ key, headers: keptHeaders(request) })
  const facts: XmlContent = [
    ['Bucket', deps.name],
    ['Key', key],
    ['UploadId', uploadId],
  ]
  return sendXml(reply, xmlOf('InitiateMultipartUploadResult', facts))
}

async function uploadPart({ request, reply, key, query, deps }: Call): Promise<FastifyReply> {
  const bytes = await bodyOf(request)
  const etag = deps.uploads.addPart({ ...placeOf(key, query), number: Number(query.get('partNumber')) }, bytes)
  return reply.headers({ etag, 'content-md5': md5Of(bytes) }).send()
}

async function completeUpload({ request, reply, key, query, deps }: Call): Promise<FastifyReply> {
  const { etag, crc64 } = await deps.uploads.complete(placeOf(key, query), (await bodyOf(request)).toString())
  const facts: XmlContent = [
    ['Bucket', deps.name],
    ['Key', key],
    ['ETag', etag],
  ]
  return sendXml(reply.headers({ etag, 'x-oss-hash-crc64ecma': crc64 }), xmlOf('CompleteMultipartUploadResult', facts))
}

function abortUpload({ reply, key, query, deps }: Call): FastifyReply {
  deps.uploads.abort(placeOf(key, query))
  return reply.code(204).send()
}

function removeObject({ reply, key, deps }: Call): FastifyReply {
  deps.bucket.remove(key)
  return reply.code(204).send()
}

function readObject({ request, reply, key, query, deps }: Call): FastifyReply {
  const object = deps.bucket.get(key)
  if (object === undefined) throw new OssFailure('NoSuchKey', { elements: { Key: key } })
  const { range, 'x-oss-range-behavior': behaviour } = request.headers
  const size = object.bytes.length
  const wanted = rangeOf(range, size, behaviour === 'standard' ? 'rfc' : 'oss')
  if (wanted === 'unsatisfiable') {
    const elements = { ActualObjectSize: String(size), RangeRequested: range ?? '' }
    throw new OssFailure('InvalidRange', { elements })
  }
  reply.headers(factsOf(object)).headers(inBytes(overridesOf(query)))
  const { first, last } = wanted === 'whole' ? { first: 0, last: size - 1 } : wanted
  if (wanted !== 'whole') reply.code(206).header('content-range', `bytes ${first}-${last}/${size}`)
  reply.header('content-length', last - first + 1)
  return request.method === 'HEAD' ? reply.send() : reply.send(object.bytes.subarray(first, last + 1))
}

function factsOf({ headers, bytes, etag, crc64, modifiedAt, type }: StoredObject): Record<string, string> {
  return {
    ...headers,
    etag,
    'last-modified': new Date(modifiedAt).toUTCString(),
    'accept-ranges': 'bytes',
    'x-oss-object-type': type,
    'x-oss-hash-crc64ecma': crc64,
    ...(type === 'Normal' && { 'content-md5': md5Of(bytes) }),
  }
}

function listObjects({ reply, query, deps }: Call): FastifyReply {
  return sendXml(reply, bucketListing(deps.bucket, deps.name, query))
}

function placeOf(key: string, query: ReadonlyMap<string, string>) {
  return { key, uploadId: query.get('uploadId') ?? '' }
}

/** All of a body, if it is the one that its Content-MD5 speaks of. */
async function bodyOf({ raw, headers }: FastifyRequest): Promise<Buffer> {
  if (Number(headers['content-length'] ?? 0) > MOST_BODY_BYTES) throw new OssFailure('EntityTooLarge')
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of raw as AsyncIterable<Buffer>) {
    size += chunk.length
    if (size > MOST_BODY_BYTES) throw new OssFailure('EntityTooLarge')
    chunks.push(chunk)
  }
  const bytes = Buffer.concat(chunks)
  const claimed = headers['content-md5']
  if (claimed !== undefined && claimed !== md5Of(bytes)) throw new OssFailure('InvalidDigest')
  return bytes
}

function md5Of(bytes: Uint8Array): string {
  return createHash('md5').update(bytes).digest('base64')
}

function sendXml(reply: FastifyReply, xml: string): FastifyReply {
  return reply.type('application/xml').send(xml)
}
