import type { Readable } from 'node:stream'
import type { Dispatcher } from 'undici'
import { elementsOf, textOf } from '../oss/xml.ts'
import type { AliyunClient } from './aliyun-client.ts'
import { crcChecked } from './aliyun-crc.ts'
import { AliyunRefusal } from './aliyun-errors.ts'
import { headerOf, shortText } from './aliyun-http.ts'
import type { Attempts, Timing } from './attempts.ts'
import { type BlobBody, type ByteRange, bytesOf, isId, type ListedBlob } from './blob-store.ts'
import { wholeBody } from './whole-body.ts'

export interface AliyunReadOptions {
  client: AliyunClient
  attempt: Attempts
  timing: Timing
}

// A body this short is read whole before it is given, so that a broken one can be asked for again.
const SHORT = 64 * 1024

export function aliyunRead({ client, attempt, timing }: AliyunReadOptions) {
  return (key: string, range: ByteRange): Promise<BlobBody | undefined> => {
    // Without it OSS answers a range that goes too far with the whole object.
    const headers = { range: `bytes=${range.first}-${range.last}`, 'x-oss-range-behavior': 'standard' }
    return attempt(async (signal) => {
      try {
        const source = await sourceOf(await client({ method: 'GET', key, headers }, signal), range)
        const length = range.last - range.first + 1
        const body = await wholeBody(source, { length, signal, timing })
        return length > SHORT ? body : await bytesOf(body)
      } catch (error) {
        if (error instanceof AliyunRefusal && error.code === 'NoSuchKey') return undefined
        throw error
      }
    })
  }
}

/** The body of an answer that has exactly the bytes that were asked for, and where they are all of an object the right ones. */
async function sourceOf(answer: Dispatcher.ResponseData, { first, last }: ByteRange): Promise<Readable> {
  const { body, statusCode } = answer
  const told = headerOf(answer, 'content-range') ?? 'no range'
  const length = Number(headerOf(answer, 'content-length'))
  const [, from, to, size] = /^bytes (\d+)-(\d+)\/(\d+)$/.exec(told) ?? []
  if (statusCode !== 206 || Number(from) !== first || Number(to) !== last || length !== last - first + 1) {
    body.on('error', () => {}).destroy()
    throw new Error(`asked for bytes ${first}-${last} of a blob, the store gives ${length} bytes, ${told}`)
  }
  const crc64 = headerOf(answer, 'x-oss-hash-crc64ecma')
  return crc64 !== undefined && length === Number(size) ? crcChecked(body, crc64) : body
}

export interface AliyunListOptions {
  client: AliyunClient
  attempt: Attempts
  /** Of the names of all objects. */
  prefix: string
  /** Objects that one request lists, 1000 at most. */
  pageLength: number
}

// A thousand objects with names of 1 KiB, every byte of them encoded.
const MOST_PAGE_BYTES = 8 * 1024 * 1024

export function aliyunList({ client, attempt, prefix, pageLength }: AliyunListOptions) {
  return async function* list(idPrefix: string, foreign = (_: string) => {}): AsyncGenerator<ListedBlob> {
    let place: Record<string, string> | undefined = {}
    while (place) {
      const asked = { prefix: prefix + idPrefix, 'max-keys': String(pageLength), 'encoding-type': 'url' }
      const query: Record<string, string> = { 'list-type': '2', ...asked, ...place }
      const page = await attempt(async (signal) => {
        const { body } = await client({ method: 'GET', key: '', query }, signal)
        return shortText(body, MOST_PAGE_BYTES)
      })
      for (const object of elementsOf(page, 'Contents')) {
        const blob = listedBlob(object, prefix)
        // Consoles leave an object for a folder.
        if (isId(blob.id)) yield blob
        else foreign(blob.id)
      }
      const next = textOf(page, 'NextContinuationToken')
      place = next ? { 'continuation-token': next } : undefined
    }
  }
}

function listedBlob(object: string, prefix: string): ListedBlob {
  const key = decodeURIComponent((textOf(object, 'Key') ?? '').replaceAll('+', ' '))
  return {
    id: key.slice(prefix.length),
    size: Number(textOf(object, 'Size')),
    modifiedAt: Date.parse(textOf(object, 'LastModified') ?? ''),
  }
}
