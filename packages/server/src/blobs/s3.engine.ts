import { blobStoreContract } from './blob-store.contract.ts'
import { describeOnS3, s3Options } from './s3.fixture.ts'
import { s3Blobs } from './s3.ts'

describeOnS3('on the store', () => blobStoreContract('S3', () => s3Blobs(s3Options())))
