import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { memoryBucket } from './bucket.ts'
import { bucketUploads } from './bucket-uploads.ts'

const headers = {}
const TOO_MUCH = { code: 'EntityTooLarge' }
const PART = 100 * 1024
const partsXml = (...parts: [number, string][]) =>
  parts.map(([number, etag]) => `<Part><PartNumber>${number}</PartNumber><ETag>${etag}</ETag></Part>`).join('')

describe('the bucket of the development mode', () => {
  it('holds so many bytes and no more, and has room again for what is replaced, removed or cleared', async () => {
    const bucket = memoryBucket({ now: Date.now, mostBytes: 10 })
    const put = (key: string, size: number) => bucket.put({ key, bytes: Buffer.alloc(size), headers })
    await put('a', 5)
    await put('a', 5)
    await put('b', 5)
    await assert.rejects(put('c', 1), TOO_MUCH)
    bucket.remove('b')
    bucket.remove('b')
    await put('c', 5)
    await assert.rejects(put('d', 1), TOO_MUCH)
    bucket.clear()
    await put('e', 10)
  })

  it('counts parts that wait, until they are completed, replaced or given up', async () => {
    const bucket = memoryBucket({ now: Date.now, mostBytes: 3 * PART })
    const uploads = bucketUploads(bucket)
    const begun = () => ({ key: 'a', uploadId: uploads.begin({ key: 'a', headers }) })
    const [one, other] = [begun(), begun()]
    const bytes = Buffer.alloc(PART, 1)
    const first = uploads.addPart({ ...one, number: 1 }, bytes)
    uploads.addPart({ ...one, number: 1 }, bytes)
    const second = uploads.addPart({ ...one, number: 2 }, bytes)
    uploads.addPart({ ...other, number: 1 }, bytes)
    assert.throws(() => uploads.addPart({ ...other, number: 2 }, bytes), TOO_MUCH)
    uploads.abort(other)
    const { bytes: whole, type } = await uploads.complete(one, partsXml([1, first], [2, second]))
    assert.deepEqual([whole.length, type], [2 * PART, 'Multipart'])
    await bucket.put({ key: 'b', bytes, headers })
    await assert.rejects(bucket.put({ key: 'c', bytes, headers }), TOO_MUCH)
    await assert.rejects(uploads.complete(one, partsXml([1, first])), { code: 'NoSuchUpload' })
  })

  it('refuses parts that are out of order, others, too small, or of another key', async () => {
    const uploads = bucketUploads(memoryBucket({ now: Date.now }))
    const place = { key: 'a', uploadId: uploads.begin({ key: 'a', headers }) }
    const first = uploads.addPart({ ...place, number: 1 }, Buffer.alloc(10))
    const second = uploads.addPart({ ...place, number: 2 }, Buffer.alloc(20))
    const complete = (...parts: [number, string][]) => uploads.complete(place, partsXml(...parts))
    await assert.rejects(complete([2, second], [1, first]), { code: 'InvalidPartOrder' })
    await assert.rejects(complete([1, second]), { code: 'InvalidPart' })
    await assert.rejects(complete([3, first]), { code: 'InvalidPart' })
    await assert.rejects(complete([1, first], [2, second]), { code: 'EntityTooSmall' })
    await assert.rejects(complete(), { code: 'MalformedXML' })
    assert.throws(() => uploads.addPart({ ...place, number: 10_001 }, Buffer.alloc(1)), { code: 'InvalidArgument' })
    assert.throws(() => uploads.abort({ ...place, key: 'b' }), { code: 'NoSuchUpload' })
    assert.equal((await complete([2, second])).bytes.length, 20)
  })
})
