import type { FastifyInstance } from 'fastify'
import { memoryBucket } from './bucket.ts'
import { bucketCredentials } from './bucket-credentials.ts'
import { bucketRoutes } from './bucket-routes.ts'
import { bucketStsRoute } from './bucket-sts.ts'
import { bucketUploads } from './bucket-uploads.ts'

/** What points a client of OSS, or ATTACHE_BLOBS=oss, at the store of the development mode. */
export interface StoreFacts {
  /** Asked in path style. */
  endpoint: string
  bucket: string
  region: string
  accessKeyId: string
  accessKeySecret: string
  stsEndpoint: string
  roleArn: string
}

/** An OSS to write to, in memory, behind credentials of its own. */
export interface BucketStore {
  /** Whether a URL is one of the store's. */
  owns(url: string): boolean
  attach(app: FastifyInstance): void
  facts(url: string): StoreFacts
  clear(): void
}

const BUCKET = 'attache-store'
const STS_PATH = '/attache-sts'
const ROLE_ARN = 'acs:ram::1000000000000001:role/attache-store'
const OWN = new RegExp(`^(/${BUCKET}(/|\\?|$)|${STS_PATH}(\\?|$))`)

export function bucketStore({ region, now }: { region: string; now(): number }): BucketStore {
  const bucket = memoryBucket({ now })
  const uploads = bucketUploads(bucket)
  const credentials = bucketCredentials(now)
  // As strict as OSS is.
  const rules = { region, strict: true, signingKey: credentials.signingKey }

  return {
    owns: (url) => OWN.test(url),
    attach(app) {
      app.register(async (scope) => bucketRoutes(scope, { bucket, uploads, name: BUCKET, rules, now }))
      app.register(async (scope) => bucketStsRoute(scope, { path: STS_PATH, roleArn: ROLE_ARN, credentials, now }))
    },
    facts(url) {
      const { origin } = new URL(url)
      const place = { endpoint: origin, bucket: BUCKET, region }
      return { ...place, ...credentials.permanent, stsEndpoint: origin + STS_PATH, roleArn: ROLE_ARN }
    },
    clear() {
      uploads.clear()
      bucket.clear()
    },
  }
}
