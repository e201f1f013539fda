import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import type { BlobStore } from '../blobs/blob-store.ts'
import { diskBlobs } from '../blobs/disk.ts'
import { plain, shelf } from './samples.ts'
import { type SharedThumbnails, sharedThumbnails } from './shared-thumbnails.ts'
import { thumbnails } from './thumbnails.ts'

const newDirectory = () => mkdtemp(join(tmpdir(), 'attache-shared-'))
const THUMBNAIL = 'image/resize,w_120,h_120'
const faults: unknown[] = []
const onFault = (fault: unknown) => void faults.push(fault)

describe('thumbnails that nodes share', () => {
  let blobs: BlobStore
  let shared: SharedThumbnails
  const originals = shelf()
  before(async () => {
    blobs = await diskBlobs({ directory: await newDirectory(), durability: 'relaxed', sweepTemporary: false })
    shared = sharedThumbnails({ blobs, maxBytes: 10_000, onFault })
  })
  after(() => blobs.close())

  const node = async () => thumbnails({ blobs: originals, directory: await newDirectory(), shared, onFault })
  const stored = async () => (await Array.fromAsync(blobs.list(''))).length

  it('are rendered by one node and read by the other', async () => {
    const source = originals.put(await plain(400, 267).jpeg().toBuffer(), 'image/jpeg')
    const [one, other] = [await node(), await node()]
    const first = await one.render(source, THUMBNAIL)
    const second = await other.render(source, THUMBNAIL)
    assert.deepEqual(Buffer.from(second.body), Buffer.from(first.body))
    assert.deepEqual([one.stats().rendered, other.stats().rendered], [1, 0])
    assert.equal(second.contentType, 'image/jpeg')
    await one.forget(source.blobId)
    assert.equal(await stored(), 0)
    await Promise.all([one.close(), other.close()])
  })

  it('stay below their bound, the newest', async () => {
    const image = () => ({ body: randomBytes(3000), contentType: 'image/png' })
    const results = [0, 1, 2, 3].map((n) => ({ blobId: String(n).repeat(32), process: THUMBNAIL }))
    for (const result of results) await shared.write(result, image())
    assert.equal(await shared.trim(), 2)
    assert.equal(await stored(), 2)
    assert.equal(await shared.trim(), 0)
  })

  it('are rendered anew while the store fails, and the fault is told', async () => {
    const source = originals.put(await plain(100, 50).png().toBuffer(), 'image/png')
    const lost = { ...blobs, put: fails, list: fails } as unknown as BlobStore
    const alone = sharedThumbnails({ blobs: lost, maxBytes: 1, onFault })
    const one = thumbnails({ blobs: originals, directory: await newDirectory(), shared: alone, onFault })
    faults.length = 0
    assert.equal((await one.render(source, THUMBNAIL)).contentType, 'image/png')
    assert.equal(faults.length, 2)
    await one.close()
  })
})

function fails(): never {
  throw new Error('the store is away')
}
