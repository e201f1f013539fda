import { textOf } from '../oss/xml.ts'
import { type AliyunClient, finished } from './aliyun-client.ts'
import { completeUpload, ifNoUpload, type SentPart } from './aliyun-complete.ts'
import { crcPass } from './aliyun-crc.ts'
import { refuseOther } from './aliyun-errors.ts'
import { headerOf, shortText } from './aliyun-http.ts'
import type { Attempts } from './attempts.ts'
import { type Part, partsOf } from './parts.ts'
import { BrokenBody } from './whole-body.ts'

export interface AliyunPutOptions {
  client: AliyunClient
  attempt: Attempts
  /** Takes care of what a failed put may have left, while nobody waits for it. */
  discard(work: () => Promise<unknown>): void
}

// What is no longer than this is one request.
const PART_BYTES = 8 * 1024 * 1024
const TRY_MS = 3000
// A try has this much longer for its bytes: 2 MiB a second.
const BYTES_PER_MS = 2048
const MOST_ANSWER_BYTES = 64 * 1024
// For every object: an address that asks for no other type must not show what is stored.
const CONTENT_TYPE = { 'content-type': 'application/octet-stream' }

/**
 * Puts a body of any length, in one request or in parts, of which two are in memory at most; gives its size in bytes.
 * Any request may be sent again: names are never used twice, and the bytes are the same.
 */
export function aliyunPut(options: AliyunPutOptions) {
  return async (key: string, body: AsyncIterable<Uint8Array>): Promise<number> => {
    const parts = partsOf(body, PART_BYTES)
    try {
      const first = await nextOf(parts)
      if (first === undefined) throw new Error('a body has at least one part')
      return first.last ? await putWhole(first, key, options) : await putParts({ first, parts }, key, options)
    } finally {
      // After a failure the body may still be waited for.
      parts.return().catch(() => {})
    }
  }
}

async function putWhole(part: Part, key: string, { client, attempt, discard }: AliyunPutOptions): Promise<number> {
  const { bytes } = part
  try {
    await attempt(
      (signal) => sendBytes(client, { key, part, headers: CONTENT_TYPE, query: {} }, signal),
      timeFor(bytes),
    )
    return bytes.length
  } catch (error) {
    discard(() => attempt((signal) => finished(client, { method: 'DELETE', key }, signal)))
    throw error
  }
}

interface PartsToCome {
  first: Part
  parts: AsyncGenerator<Part, void>
}

async function putParts({ first, parts }: PartsToCome, key: string, options: AliyunPutOptions): Promise<number> {
  const { client, attempt, discard } = options
  const uploadId = await attempt(async (signal) => {
    const request = { method: 'POST', key, query: { uploads: '' }, headers: CONTENT_TYPE } as const
    const { body } = await client(request, signal)
    const id = textOf(await shortText(body, MOST_ANSWER_BYTES), 'UploadId')
    if (!id) throw new BrokenBody('an upload was begun without an id')
    return id
  })
  const crc = await crcPass()
  const sent: SentPart[] = []
  let size = 0
  let sending = Promise.resolve()

  async function send(part: Part): Promise<void> {
    crc.update(part.bytes)
    size += part.bytes.length
    const query = { partNumber: String(part.number), uploadId }
    const etag = await attempt((signal) => sendBytes(client, { key, part, query }, signal), timeFor(part.bytes))
    sent.push({ number: part.number, etag })
  }

  try {
    for (let part: Part | undefined = first; part !== undefined; ) {
      sending = send(part)
      const next: Promise<Part | undefined> = part.last ? Promise.resolve(undefined) : nextOf(parts)
      ;[part] = await Promise.all([next, sending])
    }
    await completeUpload({ key, uploadId, sent, crc64: crc.result() }, options)
    return size
  } catch (error) {
    // A part that arrives after the end of its upload would stay.
    discard(async () => {
      await Promise.allSettled([sending])
      const abort = { method: 'DELETE', key, query: { uploadId } } as const
      await attempt((signal) => finished(client, abort, signal)).catch(ifNoUpload)
      await attempt((signal) => finished(client, { method: 'DELETE', key }, signal))
    })
    throw error
  } finally {
    crc.drop()
  }
}

interface SentBytes {
  key: string
  part: Part
  query: Record<string, string>
  headers?: Record<string, string>
}

/** Gives the ETag, which of bytes that were sent in one request is their MD5, unless OSS encrypts them with a key of KMS. */
async function sendBytes(
  client: AliyunClient,
  { key, part, query, headers = {} }: SentBytes,
  signal: AbortSignal,
): Promise<string> {
  const { bytes: body, md5 } = part
  const digest = { 'content-md5': md5.toString('base64') }
  const answer = await finished(client, { method: 'PUT', key, query, headers: { ...headers, ...digest }, body }, signal)
  const etag = headerOf(answer, 'etag') ?? ''
  const [, hex] = /^"?([0-9A-F]{32})"?$/i.exec(etag) ?? []
  const encrypted = (headerOf(answer, 'x-oss-server-side-encryption') ?? 'AES256') !== 'AES256'
  if (hex !== undefined && !encrypted) refuseOther(md5.toString('hex'), hex.toLowerCase())
  return etag
}

async function nextOf(parts: AsyncGenerator<Part, void>): Promise<Part | undefined> {
  const { done, value } = await parts.next()
  return done ? undefined : value
}

function timeFor(bytes: Uint8Array): { tryMilliseconds: number } {
  return { tryMilliseconds: TRY_MS + bytes.length / BYTES_PER_MS }
}
