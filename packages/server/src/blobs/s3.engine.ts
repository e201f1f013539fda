import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { it } from 'node:test'
import { HeadObjectCommand, ListMultipartUploadsCommand, S3Client } from '@aws-sdk/client-s3'
import { ConfigError } from '../errors.ts'
import { blobStoreContract } from './blob-store.contract.ts'
import { describeOnS3, s3Options } from './s3.fixture.ts'
import { s3Blobs } from './s3.ts'
import { inChunks, newId } from './s3-stage.fixture.ts'

describeOnS3('on the store', () => {
  // Pages of one, so that every list has several.
  blobStoreContract('S3', () => s3Blobs(s3Options({ pageLength: 1 })))

  function client(): S3Client {
    const { endpoint = '', region, accessKeyId = '', secretAccessKey = '' } = s3Options()
    return new S3Client({ endpoint, region, forcePathStyle: true, credentials: { accessKeyId, secretAccessKey } })
  }

  it('keeps bytes under the prefix and the id, and nothing else of them', async () => {
    const options = s3Options()
    const store = await s3Blobs(options)
    const id = newId()
    await store.put(id, inChunks(randomBytes(20_000_000)))
    const { ContentLength, ContentType, Metadata } = await client().send(
      new HeadObjectCommand({ Bucket: options.bucket, Key: `${options.prefix}${id}` }),
    )
    assert.deepEqual([ContentLength, ContentType, Metadata], [20_000_000, 'application/octet-stream', {}])
    await store.close()
  })

  it('leaves no upload in parts behind, done or failed', async () => {
    const options = s3Options()
    const store = await s3Blobs(options)
    const failing = async function* () {
      yield* inChunks(randomBytes(20_000_000))
      throw new Error('the caller went away')
    }
    await Promise.all([assert.rejects(store.put(newId(), failing())), store.put(newId(), inChunks(randomBytes(9e6)))])
    await store.close()
    const { bucket: Bucket, prefix: Prefix } = options
    assert.deepEqual((await client().send(new ListMultipartUploadsCommand({ Bucket, Prefix }))).Uploads ?? [], [])
  })

  it('does not open with a wrong secret, key or bucket, and says what to mend', async () => {
    for (const [wrong, words] of [
      [{ secretAccessKey: 'wrong' }, /SECRET_ACCESS_KEY_FILE/],
      [{ accessKeyId: 'nobody:here' }, /ACCESS_KEY_ID/],
      [{ bucket: 'none-of-this-name' }, /ATTACHE_S3_BUCKET/],
    ] as const) {
      await assert.rejects(
        s3Blobs(s3Options(wrong)),
        (error) => error instanceof ConfigError && words.test(error.message),
      )
    }
  })
})
