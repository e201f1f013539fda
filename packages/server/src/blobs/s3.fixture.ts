import { randomBytes } from 'node:crypto'
import { describe } from 'node:test'
import type { S3BlobsOptions } from './s3.ts'

const NAMES = ['ENDPOINT', 'REGION', 'BUCKET', 'ACCESS_KEY_ID', 'SECRET_ACCESS_KEY'].map(
  (name) => `ATTACHE_TEST_S3_${name}`,
)

/** Rules that need the S3 store that `npm run test:engines` brings up; skipped where it is not there, but not in CI. */
export function describeOnS3(name: string, rules: () => void): void {
  const missing = NAMES.filter((variable) => !process.env[variable])
  const reason = missing.length > 0 && `${missing.join(', ')} not set: npm run test:engines brings a store up`
  describe(name, { skip: process.env['CI'] ? false : reason }, rules)
}

/** A place of its own in that store. */
export function s3Options(other: Partial<S3BlobsOptions> = {}): S3BlobsOptions {
  const [endpoint, region = '', bucket = '', accessKeyId, secretAccessKey] = NAMES.map((name) => process.env[name])
  const prefix = `${randomBytes(6).toString('hex')}/blobs/`
  const place = { prefix, endpoint, publicEndpoint: undefined, region, bucket, style: 'path' } as const
  return { ...place, accessKeyId, secretAccessKey, ...other }
}

/** Chance that comes again with the same SEED. */
export function seeded(): { seed: number; random: () => number } {
  const seed = Number(process.env['SEED'] ?? Date.now() % 1_000_000)
  let state = seed
  return {
    seed,
    // mulberry32
    random() {
      state = (state + 0x6d2b79f5) | 0
      let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
      mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
      return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
    },
  }
}
