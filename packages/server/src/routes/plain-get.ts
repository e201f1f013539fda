import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Signer } from '../attachments/link-credentials.ts'
import { THUMBNAIL } from '../attachments/links.ts'
import type { ByteRange } from '../blobs/blob-store.ts'
import { boundedCache } from '../bounded-cache.ts'
import type { RenderedImage } from '../images/thumbnails.ts'
import { sameSignature, signV1 } from '../oss/signature.ts'
import { encodeValue } from '../oss/target.ts'
import type { AttachmentRecord } from '../records/record-store.ts'
import { cacheControl, plainHeaders, plainImageHeaders } from './object-headers.ts'
import { atTurnsEnd } from './turns-end.ts'

export interface PlainGetDeps {
  attachments: { known(key: string, corporationId: string | undefined): AttachmentRecord | undefined }
  contents: { known(record: AttachmentRecord, range: ByteRange): Uint8Array | undefined }
  thumbnails: { known(blobId: string, process: string): RenderedImage | undefined }
  quotas: { thumbnail(corporationId: string): number | undefined }
  credentials: { knownKey(accessKeyId: string, securityToken: string): Signer | undefined }
  /** Unix time in milliseconds. */
  now(): number
  bucket: string
}

/** A link, and what it leads to. */
interface LinkUse {
  record: AttachmentRecord
  /** The value of `x-oss-process`. */
  process: string | undefined
  accessKeyId: string
  /** Unix time in milliseconds. */
  expiresAt: number
}

interface VerifiedLink extends Omit<LinkUse, 'record'> {
  key: string
  securityToken: string
  signer: Signer
}

export interface PlainUse extends LinkUse {
  status: 200 | 206
  /** Of the body. */
  bytes: number
}

// A page of thumbnails is looked at again, a large file is read in ranges.
const KNOWN_LINKS = 5000

// The links that downloadurls gives, letter by letter; another spelling of one is for the route to read.
const LINK = new RegExp(
  `^/([^/?]+)/([^/?]+)\\?Expires=(\\d{1,14})&OSSAccessKeyId=([\\w.-]+)&Signature=([^&]+)(&x-oss-process=${encodeValue(THUMBNAIL)})?&security-token=([^&]+)$`,
)

/** Answers a GET by a link of ours to a small attachment, a small range or a thumbnail from memory, or gives `undefined` and has done nothing. */
export function plainGet(deps: PlainGetDeps) {
  const { attachments, credentials, now, bucket } = deps

  // Links whose signature was right, letter by letter. What may end them early is asked anew each time.
  const verified = boundedCache<VerifiedLink>(KNOWN_LINKS)

  /** Which attachment a link leads to, and that it is a true one. */
  function usedLink(url: string): LinkUse | undefined {
    const link = verified.get(url) ?? verify(url)
    if (link === undefined || now() > link.expiresAt) return undefined
    const { key, process, accessKeyId, securityToken, expiresAt, signer } = link
    if (credentials.knownKey(accessKeyId, securityToken) !== signer) return undefined
    const record = attachments.known(key, signer.credential.corporationId)
    return record?.linkEpoch === 0 ? { record, process, accessKeyId, expiresAt } : undefined
  }

  function verify(url: string): VerifiedLink | undefined {
    const link = LINK.exec(url)
    if (link === null || link[1] !== bucket) return undefined
    const [key, signature, securityToken] = [decoded(link[2]), decoded(link[5]), decoded(link[7])]
    if (key === undefined || signature === undefined || securityToken === undefined) return undefined
    const [expires, accessKeyId = ''] = [link[3], link[4]]
    const process = link[6] === undefined ? undefined : THUMBNAIL
    const signer = credentials.knownKey(accessKeyId, securityToken)
    if (signer === undefined) return undefined
    // `stringToSignV1` of such a link.
    const text = `GET\n\n\n${expires}\n/${bucket}/${key}?security-token=${securityToken}${process ? `&x-oss-process=${process}` : ''}`
    if (!sameSignature(signV1(signer.hmacSha1, text), signature)) return undefined
    const known = { key, process, accessKeyId, securityToken, expiresAt: Number(expires) * 1000, signer }
    verified.set(url, known)
    return known
  }

  function contentOf({ record, process }: LinkUse, asked: string | undefined): Content | undefined {
    if (process === undefined) return partOf(record, asked)
    const image = asked === undefined ? deps.thumbnails.known(record.blobId, process) : undefined
    const allowed = image && deps.quotas.thumbnail(record.corporationId) === undefined
    return allowed ? { status: 200, body: image.body, headers: plainImageHeaders(record, image) } : undefined
  }

  function partOf(record: AttachmentRecord, asked: string | undefined): Content | undefined {
    const range = asked === undefined ? { first: 0, last: record.size - 1 } : insideRange(asked, record.size)
    const body = range && deps.contents.known(record, range)
    if (body === undefined) return undefined
    const headers = plainHeaders(record)
    if (asked === undefined) return { status: 200, body, headers }
    const where = `bytes ${range?.first}-${range?.last}/${record.size}`
    return { status: 206, body, headers: [...headers, 'content-range', where] }
  }

  return ({ url = '', headers }: IncomingMessage, response: ServerResponse, id: string): PlainUse | undefined => {
    const use = usedLink(url)
    const content = use && contentOf(use, headers.range)
    if (use === undefined || content === undefined) return undefined
    const { status, body } = content
    const ids = ['server', 'AliyunOSS', 'x-oss-request-id', id, 'x-request-id', id]
    const own = ['cache-control', cacheControl(use.expiresAt, now()), 'content-length', String(body.length)]
    atTurnsEnd(() => response.writeHead(status, [...ids, ...own, ...content.headers]).end(body))
    return { ...use, status, bytes: body.length }
  }
}

interface Content {
  status: 200 | 206
  body: Uint8Array
  headers: readonly string[]
}

/** A range that lies inside is the same whatever the behaviour asked for; every other one is left to the route. */
function insideRange(asked: string, size: number): ByteRange | undefined {
  const match = /^bytes=(\d{1,15})-(\d{1,15})$/.exec(asked)
  if (match === null) return undefined
  const [first, last] = [Number(match[1]), Number(match[2])]
  return first <= last && last < size ? { first, last } : undefined
}

/** What is no percent-encoding, or has a `+` that could mean a space, is left to the route. */
function decoded(text = ''): string | undefined {
  if (text.includes('+')) return undefined
  if (!text.includes('%')) return text
  try {
    return decodeURIComponent(text)
  } catch (error) {
    if (error instanceof URIError) return undefined
    throw error
  }
}
