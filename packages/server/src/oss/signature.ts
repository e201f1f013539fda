import { createHash, createHmac, hash, timingSafeEqual } from 'node:crypto'

/** What a V1 signature covers. Header names are lower case; query values are decoded. */
export interface SignedRequest {
  method: string
  bucket: string
  key: string
  /** The `Expires` of the URL as it stands there, or the date line of header signing. */
  expires: string
  query?: ReadonlyMap<string, string> | undefined
  headers?: Readonly<Record<string, string>> | undefined
}

// The union of what the vendor's SDKs sign (OSS.md 1.3). Every name that begins with `x-oss-` counts as well.
const SUB_RESOURCES = new Set(
  `security-token response-content-type response-content-language response-expires response-cache-control
  response-content-disposition response-content-encoding versionId objectMeta acl uploads uploadId partNumber append
  position delete symlink tagging callback callback-var continuation-token sequential img style styleName stat bucketInfo
  location cors logging website referer lifecycle restore versions versioning encryption policy requestPayment comp qos
  qosInfo live status vod startTime endTime cname asyncFetch inventory inventoryId worm wormId wormExtend replication
  replicationLocation replicationProgress transferAcceleration metaQuery resourceGroup regionList cloudboxes`.split(
    /\s+/,
  ),
)

export function isSubResource(name: string): boolean {
  return name.startsWith('x-oss-') || SUB_RESOURCES.has(name)
}

/** The text that V1 signs, in a URL or in a header (OSS.md 1.1). */
export function stringToSignV1(request: SignedRequest): string {
  const { method, bucket, key, expires, headers = {} } = request
  return `${method}\n${headers['content-md5'] ?? ''}\n${headers['content-type'] ?? ''}\n${expires}\n${ossHeaders(headers)}/${bucket}/${key}${subResources(request.query)}`
}

function ossHeaders(headers: Readonly<Record<string, string>>): string {
  const names = Object.keys(headers).filter((name) => name.startsWith('x-oss-'))
  return names
    .sort()
    .map((name) => `${name}:${headers[name]?.trim()}\n`)
    .join('')
}

function subResources(query: ReadonlyMap<string, string> | undefined): string {
  if (query === undefined) return ''
  const names = [...query.keys()].filter(isSubResource).sort()
  if (names.length === 0) return ''
  return `?${names.map((name) => (query.get(name) ? `${name}=${query.get(name)}` : name)).join('&')}`
}

/** A V1 secret with its two HMAC pads laid out once: two one-shot digests cost half of a `createHmac`. */
export interface HmacSha1Key {
  inner: Buffer
  outer: Buffer
}

const BLOCK = 64

export function hmacSha1Key(secret: string): HmacSha1Key {
  const bytes = Buffer.from(secret, 'utf8')
  const short = bytes.length > BLOCK ? createHash('sha1').update(bytes).digest() : bytes
  const inner = Buffer.alloc(BLOCK, 0x36)
  const outer = Buffer.alloc(BLOCK + 20, 0x5c)
  for (const [i, byte] of short.entries()) {
    inner[i] = byte ^ 0x36
    outer[i] = byte ^ 0x5c
  }
  return { inner, outer }
}

const scratch = Buffer.alloc(16 * 1024)

/** HMAC-SHA1 of the UTF-8 `text`, in base64. */
export function signV1(key: HmacSha1Key, text: string): string {
  // A UTF-16 unit takes three bytes of UTF-8 at most.
  const room = BLOCK + text.length * 3 <= scratch.length ? scratch : Buffer.alloc(BLOCK + Buffer.byteLength(text))
  key.inner.copy(room)
  const length = BLOCK + room.write(text, BLOCK, 'utf8')
  key.outer.write(hash('sha1', room.subarray(0, length), 'latin1'), BLOCK, 'latin1')
  return hash('sha1', key.outer, 'base64')
}

/** The same of a text whose UTF-8 bytes are given as one character each. */
export function signV1Bytes(key: HmacSha1Key, bytes: string): string {
  const room = BLOCK + bytes.length <= scratch.length ? scratch : Buffer.alloc(BLOCK + bytes.length)
  key.inner.copy(room)
  room.write(bytes, BLOCK, 'latin1')
  key.outer.write(hash('sha1', room.subarray(0, BLOCK + bytes.length), 'latin1'), BLOCK, 'latin1')
  return hash('sha1', key.outer, 'base64')
}

/** Compares two signatures as the text they stand in, in constant time: no second spelling of a signature is ever accepted. */
export function sameSignature(expected: string, provided: string): boolean {
  const a = Buffer.from(expected, 'latin1')
  const b = Buffer.from(provided, 'utf8')
  return a.length === b.length && timingSafeEqual(a, b)
}

export const V4_ALGORITHM = 'OSS4-HMAC-SHA256'

export interface SignedRequestV4 {
  method: string
  bucket: string
  key: string
  /** `yyyymmddTHHMMSSZ` */
  date: string
  /** `yyyymmdd/region/oss/aliyun_v4_request` */
  scope: string
  query: ReadonlyMap<string, string>
  headers: Readonly<Record<string, string>>
  /** Lower case, sorted. */
  additionalHeaders: readonly string[]
}

/** The text that V4 signs (OSS.md 1.5). */
export function stringToSignV4(request: SignedRequestV4): string {
  const { headers, additionalHeaders } = request
  const query = [...request.query]
    .filter(([name]) => name !== 'x-oss-signature')
    .map(([name, value]) => [encodeRfc3986(name), encodeRfc3986(value)] as const)
    .sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0))
    .map(([name, value]) => (value === '' ? name : `${name}=${value}`))
    .join('&')
  const signed = Object.keys(headers).filter(
    (name) =>
      name === 'content-type' ||
      name === 'content-md5' ||
      name.startsWith('x-oss-') ||
      additionalHeaders.includes(name),
  )
  const canonicalHeaders = signed
    .sort()
    .map((name) => `${name}:${headers[name]?.trim()}\n`)
    .join('')
  const path = encodeRfc3986(`/${request.bucket}/${request.key}`).replaceAll('%2F', '/')
  const payload = headers['x-oss-content-sha256'] ?? 'UNSIGNED-PAYLOAD'
  const canonical = `${request.method}\n${path}\n${query}\n${canonicalHeaders}\n${additionalHeaders.join(';')}\n${payload}`
  return `${V4_ALGORITHM}\n${request.date}\n${request.scope}\n${hash('sha256', canonical, 'hex')}`
}

export function signV4(secret: string, scope: string, text: string): string {
  let key: string | Buffer = `aliyun_v4${secret}`
  for (const part of scope.split('/')) key = createHmac('sha256', key).update(part).digest()
  return createHmac('sha256', key).update(text).digest('hex')
}

export function encodeRfc3986(text: string): string {
  return encodeURIComponent(text).replace(/[!'()*]/g, (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`)
}
