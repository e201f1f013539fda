import { ConfigError, Failure } from '../errors.ts'
import { aliyunAddress } from './aliyun-address.ts'
import { aliyunClient, finished } from './aliyun-client.ts'
import { type AliyunCredentials, assumedRole, permanentPair } from './aliyun-credentials.ts'
import { explained, mayPass } from './aliyun-errors.ts'
import { aliyunAgent } from './aliyun-http.ts'
import { type AliyunStyle, aliyunPlace, publicEndpointOf } from './aliyun-place.ts'
import { aliyunPut } from './aliyun-put.ts'
import { aliyunList, aliyunRead } from './aliyun-read.ts'
import { assumeRole } from './aliyun-sts.ts'
import { type Attempts, attempts, realTiming, type Timing } from './attempts.ts'
import { type BlobStore, checkedId } from './blob-store.ts'
import { StoreRefusal } from './s3-errors.ts'

export interface AliyunBlobsOptions {
  /** What the names of the objects begin with; ends with `/`. */
  prefix: string
  /** For the service's own requests; without one, the public one of the region. */
  endpoint: string | undefined
  /** For addresses that are given to others; without one, the public one of the region. */
  publicEndpoint: string | undefined
  region: string
  bucket: string
  style: 'virtual' | 'path'
  /** Of `publicEndpoint`, where it differs: `domain` for one that is bound to the bucket. */
  publicStyle?: AliyunStyle | undefined
  signature: 'v4' | 'v1'
  accessKeyId: string
  accessKeySecret: string
  /** Taken through STS where it is set. */
  role: { arn: string; endpoint: string; seconds: number } | undefined
  /** Unix time in milliseconds, for signatures. */
  now?: () => number
  timing?: Timing
  /** Objects that one request lists. */
  pageLength?: number
}

const OPENING_MS = 2000

/**
 * Blobs as objects `<prefix><id>`, with nothing of users in their names or metadata. A put is done when OSS has
 * acknowledged it and its digest is right. Two puts of one id are not noticed: ids are random.
 */
export async function aliyunBlobs(options: AliyunBlobsOptions): Promise<BlobStore> {
  const { bucket, region, prefix, style, signature, publicStyle = style } = options
  const { now = Date.now, timing = realTiming, pageLength = 1000 } = options
  const dispatcher = aliyunAgent()
  const credentials = credentialsOf({ ...options, now, timing }, dispatcher)
  const tried = attempts({ mayPass, timing })
  const attempt = explaining(async (work, tries) => {
    // STS has tries of its own, and the time that it takes is not taken from those of OSS.
    await credentials.current()
    return tried(work, tries)
  })
  const signing = { bucket, region, signature, credentials, now }
  const { endpoint = publicEndpointOf(region), publicEndpoint = publicEndpointOf(region) } = options
  const client = aliyunClient({ ...signing, dispatcher, place: aliyunPlace(endpoint, { bucket, style }) })
  const place = aliyunPlace(publicEndpoint, { bucket, style: publicStyle })
  const leftovers = new Set<Promise<void>>()
  const keyOf = (id: string) => prefix + checkedId(id)

  function discard(work: () => Promise<unknown>): void {
    // What stays after all is an object without a record, or an upload that never ended.
    const done = work().then(
      () => {},
      () => {},
    )
    leftovers.add(done)
    void done.then(() => leftovers.delete(done))
  }

  const put = aliyunPut({ client, attempt, discard })
  const read = aliyunRead({ client, attempt, timing })
  const address = aliyunAddress({ ...signing, place })

  async function check(tryMilliseconds?: number): Promise<void> {
    const query = { 'list-type': '2', prefix, 'max-keys': '1' }
    const once = { tries: 1, ...(tryMilliseconds !== undefined && { tryMilliseconds }) }
    await attempt((signal) => finished(client, { method: 'GET', key: '', query }, signal), once)
  }

  async function close(): Promise<void> {
    await Promise.all(leftovers)
    await dispatcher.destroy()
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
    read: (id, range) => read(keyOf(id), range),
    async remove(id) {
      const request = { method: 'DELETE', key: keyOf(id) } as const
      await attempt((signal) => finished(client, request, signal))
    },
    list: aliyunList({ client, attempt, prefix, pageLength }),
    address: (id, asked) => address(keyOf(id), asked),
    check: () => check(),
    close,
  }
}

type CredentialOptions = AliyunBlobsOptions & { now: () => number; timing: Timing }

function credentialsOf(
  { role, accessKeyId, accessKeySecret, now, timing }: CredentialOptions,
  dispatcher: ReturnType<typeof aliyunAgent>,
): AliyunCredentials {
  if (role === undefined) return permanentPair(accessKeyId, accessKeySecret)
  // Behind a breaker of its own: that STS fails says nothing of OSS.
  const attempt = explaining(attempts({ mayPass, timing }))
  const { arn: roleArn, endpoint, seconds } = role
  const pair = { accessKeyId, accessKeySecret }
  return assumedRole({ take: assumeRole({ dispatcher, attempt, endpoint, roleArn, seconds, pair, now }), now })
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
