import { servedAs } from '../attachments/served-as.ts'
import type { RenderedImage } from '../images/thumbnails.ts'
import type { Authenticated } from '../oss/authenticate.ts'
import { OssFailure } from '../oss/failure.ts'
import type { AttachmentRecord } from '../records/record-store.ts'

/** Nothing that a user uploaded may run: no sniffing, no scripts, no frames of ours around it, no address passed on. */
export const GUARDED = {
  'x-content-type-options': 'nosniff',
  'content-security-policy': "default-src 'none'; sandbox",
  'cross-origin-resource-policy': 'cross-origin',
  'referrer-policy': 'no-referrer',
} as const

const kept = new WeakMap<AttachmentRecord, Record<string, string>>()

/** What a record says of itself on every answer; computed once for a record. */
export function recordHeaders(record: AttachmentRecord): Record<string, string> {
  const known = kept.get(record)
  if (known) return known
  const headers = {
    ...GUARDED,
    ...servedAs(record),
    'accept-ranges': 'bytes',
    etag: `"${record.md5.toUpperCase()}"`,
    'last-modified': new Date(record.createdAt).toUTCString(),
    'content-md5': Buffer.from(record.md5, 'hex').toString('base64'),
    'x-oss-object-type': 'Normal',
    'x-oss-hash-crc64ecma': record.crc64,
    'x-oss-storage-class': 'Standard',
  }
  kept.set(record, headers)
  return headers
}

const plain = new WeakMap<AttachmentRecord, readonly string[]>()

/** The same as names and values in turn, as Node writes them fastest. */
export function plainHeaders(record: AttachmentRecord): readonly string[] {
  const known = plain.get(record)
  if (known) return known
  const headers = Object.entries(recordHeaders(record)).flat()
  plain.set(record, headers)
  return headers
}

/** The same for a picture that was made of it. */
export function plainImageHeaders({ md5, createdAt }: AttachmentRecord, image: RenderedImage): readonly string[] {
  const known = plainImages.get(image)
  if (known) return known
  const facts = ['etag', `"${md5.toUpperCase()}"`, 'last-modified', new Date(createdAt).toUTCString()]
  const headers = [...Object.entries(GUARDED).flat(), ...facts, 'content-type', image.contentType]
  plainImages.set(image, headers)
  return headers
}

const plainImages = new WeakMap<RenderedImage, readonly string[]>()

const DAY_SECONDS = 86_400

export function linkHeaders({ expiresAt }: Pick<Authenticated, 'expiresAt'>, now: number) {
  return { ...GUARDED, 'cache-control': cacheControl(expiresAt, now) }
}

/** A browser may keep an answer while its link lives, a day at most, and may share it with nobody. */
export function cacheControl(expiresAt: number | undefined, now: number): string {
  if (expiresAt === undefined) return 'private, no-cache'
  const remaining = Math.max(0, Math.floor((expiresAt - now) / 1000))
  return `private, max-age=${Math.min(remaining, DAY_SECONDS)}`
}

const OVERRIDES = [
  'content-type',
  'content-language',
  'expires',
  'cache-control',
  'content-disposition',
  'content-encoding',
] as const

/** The `response-…` parameters, all of them signed. */
export function overridesOf(query: ReadonlyMap<string, string>): Record<string, string> {
  const headers: Record<string, string> = {}
  for (const name of OVERRIDES) {
    const value = query.get(`response-${name}`)
    if (value === undefined || value === '') continue
    if (/[\0-\x08\x0a-\x1f\x7f]/.test(value)) {
      throw new OssFailure('InvalidArgument', { elements: { ArgumentName: `response-${name}`, ArgumentValue: value } })
    }
    headers[name] = value
  }
  return headers
}

/** UTF-8 leaves as the bytes it is, as OSS sends it: Node writes a header as latin1. */
export function inBytes(headers: Record<string, string>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(headers).map(([name, value]) => [name, Buffer.from(value, 'utf8').toString('latin1')]),
  )
}
