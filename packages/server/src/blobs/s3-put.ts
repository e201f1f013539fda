import {
  AbortMultipartUploadCommand,
  type CompletedPart,
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  DeleteObjectCommand,
  HeadObjectCommand,
  PutObjectCommand,
  type PutObjectCommandOutput,
  type S3Client,
  UploadPartCommand,
} from '@aws-sdk/client-s3'
import type { Attempts } from './attempts.ts'
import { type Part, partsOf } from './parts.ts'
import { WrongDigest } from './s3-errors.ts'

export interface S3PutOptions {
  client: S3Client
  bucket: string
  attempt: Attempts
  /** Takes care of what a failed put may have left, while nobody waits for it. */
  discard(work: () => Promise<unknown>): void
}

export type S3Put = (key: string, body: AsyncIterable<Uint8Array>) => Promise<number>

// What is no longer than this is one request; of several parts S3 takes none below 5 MiB but the last.
const PART_BYTES = 8 * 1024 * 1024
const TRY_MS = 3000
// A try has this much longer for its bytes: 2 MiB a second.
const BYTES_PER_MS = 2048
const COMPLETE_MS = 6000
// For every object: an address that asks for no other type must not show what is stored.
const CONTENT_TYPE = 'application/octet-stream'

/**
 * Puts a body of any length, in one request or in parts, of which two are in memory at most; gives its size in bytes.
 * Any request may be sent again: names are never used twice, and the bytes are the same.
 */
export function s3Put(options: S3PutOptions): S3Put {
  return async (key, body) => {
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

async function putWhole(part: Part, key: string, { client, bucket, attempt, discard }: S3PutOptions): Promise<number> {
  const { bytes } = part
  const command = new PutObjectCommand({ Bucket: bucket, Key: key, ContentType: CONTENT_TYPE, ...sent(part) })
  try {
    await attempt(async (abortSignal) => {
      refuseOther(part, await client.send(command, { abortSignal }))
    }, timeFor(bytes))
    return bytes.length
  } catch (error) {
    const remove = new DeleteObjectCommand({ Bucket: bucket, Key: key })
    discard(() => attempt((abortSignal) => client.send(remove, { abortSignal })))
    throw error
  }
}

async function putParts(
  { first, parts }: { first: Part; parts: AsyncGenerator<Part, void> },
  key: string,
  { client, bucket, attempt, discard }: S3PutOptions,
): Promise<number> {
  const place = { Bucket: bucket, Key: key }
  const create = new CreateMultipartUploadCommand({ ...place, ContentType: CONTENT_TYPE })
  const { UploadId } = await attempt((abortSignal) => client.send(create, { abortSignal }))
  const upload = { ...place, UploadId }
  const done: CompletedPart[] = []
  let size = 0
  let sending = Promise.resolve()

  async function send(part: Part): Promise<void> {
    const command = new UploadPartCommand({ ...upload, PartNumber: part.number, ...sent(part) })
    const { ETag } = await attempt((abortSignal) => client.send(command, { abortSignal }), timeFor(part.bytes))
    done.push({ PartNumber: part.number, ETag })
    size += part.bytes.length
  }

  try {
    for (let part: Part | undefined = first; part !== undefined; ) {
      sending = send(part)
      const next: Promise<Part | undefined> = part.last ? Promise.resolve(undefined) : nextOf(parts)
      ;[part] = await Promise.all([next, sending])
    }
    await complete(size)
    return size
  } catch (error) {
    // A part that arrives after the end of its upload would stay.
    discard(async () => {
      await Promise.allSettled([sending])
      await attempt((abortSignal) => client.send(new AbortMultipartUploadCommand(upload), { abortSignal }))
    })
    throw error
  }

  /** A second try may find that the first was done, and only its answer lost. */
  async function complete(size: number): Promise<void> {
    const command = new CompleteMultipartUploadCommand({ ...upload, MultipartUpload: { Parts: done } })
    let again = false
    await attempt(
      async (abortSignal) => {
        try {
          await client.send(command, { abortSignal })
        } catch (error) {
          if (!again || !(error instanceof Error) || error.name !== 'NoSuchUpload') throw error
          const { ContentLength } = await client.send(new HeadObjectCommand(place), { abortSignal })
          if (ContentLength !== size) throw error
        } finally {
          again = true
        }
      },
      { tryMilliseconds: COMPLETE_MS },
    )
  }
}

async function nextOf(parts: AsyncGenerator<Part, void>): Promise<Part | undefined> {
  const { done, value } = await parts.next()
  return done ? undefined : value
}

function sent({ bytes, md5 }: Part) {
  return { Body: bytes, ContentLength: bytes.length, ContentMD5: md5.toString('base64') }
}

function timeFor(bytes: Uint8Array): { tryMilliseconds: number } {
  return { tryMilliseconds: TRY_MS + bytes.length / BYTES_PER_MS }
}

/** The ETag of an object that was put whole is its MD5, unless the store encrypts with keys that are not its own. */
function refuseOther({ md5 }: Part, { ETag = '', ServerSideEncryption = 'AES256' }: PutObjectCommandOutput): void {
  const [, etag] = /^"?([0-9a-f]{32})"?$/i.exec(ETag) ?? []
  if (etag === undefined || ServerSideEncryption !== 'AES256') return
  if (etag.toLowerCase() !== md5.toString('hex'))
    throw new WrongDigest('the store answers with the ETag of other bytes')
}
