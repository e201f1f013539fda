import assert from 'node:assert/strict'
import { it } from 'node:test'
import { memoryBlobs } from '../dev/memory-blobs.ts'
import type { AttachmentRecord } from '../records/record-store.ts'
import { contents } from './contents.ts'

const HOT_BYTES = 64 * 1024
const FILES = 2000

it('counts what a piece takes beside its bytes, so that many tiny ones stay within the bound', async () => {
  const blobs = memoryBlobs()
  const hot = contents({ blobs, hotBytes: HOT_BYTES })
  const range = { first: 0, last: 0 }
  const records: AttachmentRecord[] = []
  for (let index = 0; index < FILES; index++) {
    const record = recordOf(index.toString(16).padStart(32, '0'))
    await blobs.put(record.blobId, once(Buffer.from('a')))
    await hot.read(record, range)
    records.push(record)
  }
  const kept = records.filter((record) => hot.known(record, range) !== undefined).length
  assert.ok(kept > 10 && kept < HOT_BYTES / 400, `${kept} of ${FILES} are in memory`)
})

function recordOf(blobId: string): AttachmentRecord {
  const digests = { md5: '', sha256: 'ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb', crc64: '0' }
  const names = { corporationId: 'c', fileId: blobId, key: blobId, fileName: blobId, blobId, contentType: 'text/plain' }
  return { ...names, ...digests, size: 1, createdAt: 1, linkEpoch: 0 }
}

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes
}
