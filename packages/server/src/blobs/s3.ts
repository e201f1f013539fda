import { DeleteObjectCommand, ListObjectsV2Command, S3Client, type S3ClientConfig } from '@aws-sdk/client-s3'
import { ConfigError, Failure } from '../errors.ts'
import { type Attempts, attempts, realTiming, type Timing } from './attempts.ts'
import { type BlobStore, checkedId } from './blob-store.ts'
import { s3Address } from './s3-address.ts'
import { explained, mayPass, StoreRefusal } from './s3-errors.ts'
import { s3Put } from './s3-put.ts'
import { s3List, s3Read } from './s3-read.ts'

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
  /** Objects that one request lists. */
  pageLength?: number
}

const CONNECT_MS = 2000
const OPENING_MS = 2000

/**
 * Blobs as objects `<prefix><id>`, with nothing of users in their names or metadata. A put is done when the store has
 * acknowledged it and its digest is right. Two puts of one id are not noticed: ids are random.
 */
export async function s3Blobs(options: S3BlobsOptions): Promise<BlobStore> {
  const { bucket, prefix, now = Date.now, timing = realTiming, pageLength = 1000 } = options
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
  const read = s3Read({ client, bucket, attempt, timing })
  const address = s3Address({ client: outside, bucket, now })

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
    read: async (id, range) => read(keyOf(id), range),
    async remove(id) {
      const command = new DeleteObjectCommand({ Bucket: bucket, Key: keyOf(id) })
      await attempt((abortSignal) => client.send(command, { abortSignal }))
    },
    list: s3List({ client, bucket, attempt, prefix, pageLength }),
    address: async (id, asked) => address(keyOf(id), asked),
    check: () => check(),
    close,
  }
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
