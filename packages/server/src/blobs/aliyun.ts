import { ConfigError } from '../errors.ts'
import type { BlobStore } from './blob-store.ts'

export interface AliyunBlobsOptions {
  /** What the names of the objects begin with; ends with `/`. */
  prefix: string
  /** Without one, that of the region. */
  endpoint: string | undefined
  publicEndpoint: string | undefined
  region: string
  bucket: string
  style: 'virtual' | 'path'
  signature: 'v4' | 'v1'
  accessKeyId: string
  accessKeySecret: string
  /** Taken through STS where it is set. */
  role: { arn: string; endpoint: string; seconds: number } | undefined
}

export async function aliyunBlobs(_options: AliyunBlobsOptions): Promise<BlobStore> {
  throw new ConfigError('ATTACHE_BLOBS=oss is not built yet.')
}
