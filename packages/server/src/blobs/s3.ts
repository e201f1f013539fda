import type { Readable } from 'node:stream'
import {
  DeleteObjectCommand,
  GetObjectCommand,
  type GetObjectCommandOutput,
  ListObjectsV2Command,
  S3Client,
  type S3ClientConfig,
} from '@aws-sdk/client-s3'
import { ConfigError, Failure } from '../errors.ts'
import { type Attempts, attempts, realTiming, type Timing } from './attempts.ts'
import { type BlobBody, type BlobStore, type ByteRange, bytesOf, checkedId, type ListedBlob } from './blob-store.ts'
import { s3Address } from './s3-address.ts'
import { explained, isMissing, mayPass, StoreRefusal } from './s3-errors.ts'
import { s3Put } from './s3-put.ts'
import { wholeBody } from './whole-body.ts'

export interface S3BlobsOptions {
  /** What the names of the objects begin with; ends with `/`. */
  prefix: string
  /** Without one, that of AWS. */
  endpoint: string | undefined
  publicEndpoint: string | undefined
  region: string
  bucket: string
  style: 'virtual' | 'path'
  /** Without a pair the SDK's own chain is asked. */
  accessKeyId: string | undefined
  secretAccessKey: string | undefined
  /** Unix time in milliseconds, for addresses. */
  now?: () => number
  timing?: Timing
}

// A body this short is read whole before it is given, so that a broken one can be asked for again.
const SHORT = 64 * 1024
const CONNECT_MS = 2000
const OPENING_MS = 2000

/**
 * Blobs as objects `<prefix><id>`, with nothing of users in their names or metadata. A put is done when the store has
 * acknowledged it and its digest is right. Two puts of one id are not noticed: ids are random.
 */
export async function s3Blobs(options: S3BlobsOptions): Promise<BlobStore> {
  const { bucket, prefix, now = Date.now, timing = realTiming } = options
  const client = new S3Client(clientConfig(options, options.endpoint))
  const outside = new S3Client(clientConfig(options, options.publicEndpoint ?? options.endpoint))
  const attempt = explaining(attempts({ mayPass, timing }))
  const keyOf = (id: string) => prefix + checkedId(id)
  const leftovers = new Set<Promise<void>>()

  function discard(work: () => Promise<unknown>): void {
    // What stays after all is an object without a record, or an upload that never ended.
    const done = work().then(
      () => {},
      () => {},
    )
    leftovers.add(done)
    void done.then(() => leftovers.delete(done))
  }

  const put = s3Put({ client, bucket, attempt, discard })
  const address = s3Address({ client: outside, bucket, now })

  async function read(id: string, range: ByteRange): Promise<BlobBody | undefined> {
    const Range = `bytes=${range.first}-${range.last}`
    const command = new GetObjectCommand({ Bucket: bucket, Key: keyOf(id), Range })
    return attempt(async (signal) => {
      try {
        const source = sourceOf(await client.send(command, { abortSignal: signal }), range)
        const length = range.last - range.first + 1
        const body = await wholeBody(source, { length, signal, timing })
        return length > SHORT ? body : await bytesOf(body)
      } catch (error) {
        if (isMissing(error)) return undefined
        throw error
      }
    })
  }

  async function* list(idPrefix: string): AsyncGenerator<ListedBlob> {
    let place: { ContinuationToken?: string } | undefined = {}
    while (place) {
      const command: ListObjectsV2Command = new ListObjectsV2Command({
        Bucket: bucket,
        Prefix: prefix + idPrefix,
        ...place,
      })
      const page = await attempt((abortSignal) => client.send(command, { abortSignal }))
      for (const { Key = '', Size = 0, LastModified } of page.Contents ?? []) {
        yield { id: Key.slice(prefix.length), size: Size, modifiedAt: LastModified?.getTime() ?? 0 }
      }
      const { NextContinuationToken } = page
      place = NextContinuationToken === undefined ? undefined : { ContinuationToken: NextContinuationToken }
    }
  }

  /** A list of one, because the answer to it, unlike that to HEAD, says what is wrong. */
  async function check(tryMilliseconds?: number): Promise<void> {
    const command = new ListObjectsV2Command({ Bucket: bucket, Prefix: prefix, MaxKeys: 1 })
    const once = { tries: 1, ...(tryMilliseconds !== undefined && { tryMilliseconds }) }
    await attempt((abortSignal) => client.send(command, { abortSignal }), once)
  }

  async function close(): Promise<void> {
    await Promise.all(leftovers)
    client.destroy()
    outside.destroy()
  }

  try {
    await check(OPENING_MS)
  } catch (error) {
    // One that can't be reached now may be reached later.
    if (!(error instanceof Failure)) {
      await close()
      throw error instanceof StoreRefusal ? new ConfigError(error.message, { cause: error }) : error
    }
  }
  return {
    put: async (id, body) => ({ size: await put(keyOf(id), body) }),
    read,
    async remove(id) {
      const command = new DeleteObjectCommand({ Bucket: bucket, Key: keyOf(id) })
      await attempt((abortSignal) => client.send(command, { abortSignal }))
    },
    list,
    address: (id, asked) => address(keyOf(id), asked),
    check: () => check(),
    close,
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

function clientConfig(options: S3BlobsOptions, endpoint: string | undefined): S3ClientConfig {
  const { region, style, accessKeyId, secretAccessKey } = options
  const pair = accessKeyId !== undefined && secretAccessKey !== undefined
  // Readers that are slow hold a connection each: a bound here would have everybody else wait for them.
  const agent = { keepAlive: true, maxSockets: Number.POSITIVE_INFINITY }
  return {
    region,
    ...(endpoint !== undefined && { endpoint }),
    forcePathStyle: style === 'path',
    ...(pair && { credentials: { accessKeyId, secretAccessKey } }),
    // Tries are ours: attempts.ts.
    maxAttempts: 1,
    requestChecksumCalculation: 'WHEN_REQUIRED',
    responseChecksumValidation: 'WHEN_REQUIRED',
    requestHandler: { connectionTimeout: CONNECT_MS, httpAgent: agent, httpsAgent: agent },
  }
}

function explaining(attempt: Attempts): Attempts {
  return async (work, options) => {
    try {
      return await attempt(work, options)
    } catch (error) {
      throw explained(error) ?? error
    }
  }
}
