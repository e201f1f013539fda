import { ConfigError } from '../errors.ts'
import type { BlobStore } from './blob-store.ts'

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
}

export async function s3Blobs(_options: S3BlobsOptions): Promise<BlobStore> {
  throw new ConfigError('ATTACHE_BLOBS=s3 is not built yet.')
}
