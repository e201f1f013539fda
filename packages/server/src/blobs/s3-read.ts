import type { Readable } from 'node:stream'
import { GetObjectCommand, type GetObjectCommandOutput, ListObjectsV2Command, type S3Client } from '@aws-sdk/client-s3'
import type { Attempts, Timing } from './attempts.ts'
import { type BlobBody, type ByteRange, bytesOf, isId, type ListedBlob } from './blob-store.ts'
import { isMissing } from './s3-errors.ts'
import { wholeBody } from './whole-body.ts'

export interface S3ReadOptions {
  client: S3Client
  bucket: string
  attempt: Attempts
  timing: Timing
}

export type S3Read = (key: string, range: ByteRange) => Promise<BlobBody | undefined>

// A body this short is read whole before it is given, so that a broken one can be asked for again.
const SHORT = 64 * 1024

export function s3Read({ client, bucket, attempt, timing }: S3ReadOptions): S3Read {
  return (key, range) => {
    const length = range.last - range.first + 1
    const command = new GetObjectCommand({ Bucket: bucket, Key: key, Range: `bytes=${range.first}-${range.last}` })
    return attempt(async (signal) => {
      try {
        const source = sourceOf(await client.send(command, { abortSignal: signal }), range)
        const body = await wholeBody(source, { length, signal, timing })
        return length > SHORT ? body : await bytesOf(body)
      } catch (error) {
        if (isMissing(error)) return undefined
        throw error
      }
    })
  }
}

/** The body of an answer that has exactly the bytes that were asked for. */
function sourceOf({ Body, ContentLength, ContentRange }: GetObjectCommandOutput, { first, last }: ByteRange): Readable {
  const source = Body as Readable
  if (ContentLength === last - first + 1 && ContentRange?.startsWith(`bytes ${first}-${last}/`)) return source
  source.destroy()
  throw new Error(
    `asked for bytes ${first}-${last} of a blob, the store gives ${ContentLength} bytes, ${ContentRange ?? 'no range'}`,
  )
}

export interface S3ListOptions extends Omit<S3ReadOptions, 'timing'> {
  prefix: string
  pageLength: number
}

export type S3List = (idPrefix: string, foreign?: (name: string) => void) => AsyncGenerator<ListedBlob>

export function s3List({ client, bucket, attempt, prefix, pageLength }: S3ListOptions): S3List {
  return async function* list(idPrefix, foreign = () => {}) {
    const asked = { Bucket: bucket, Prefix: prefix + idPrefix, MaxKeys: pageLength }
    let place: { ContinuationToken?: string } | undefined = {}
    while (place) {
      const command: ListObjectsV2Command = new ListObjectsV2Command({ ...asked, ...place })
      const page = await attempt((abortSignal) => client.send(command, { abortSignal }))
      for (const { Key = '', Size = 0, LastModified } of page.Contents ?? []) {
        const id = Key.slice(prefix.length)
        // Consoles leave an object for a folder.
        if (isId(id)) yield { id, size: Size, modifiedAt: LastModified?.getTime() ?? 0 }
        else foreign(id)
      }
      const { NextContinuationToken } = page
      place = NextContinuationToken === undefined ? undefined : { ContinuationToken: NextContinuationToken }
    }
  }
}
