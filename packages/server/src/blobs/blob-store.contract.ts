import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { after, before, describe, it } from 'node:test'
import type { BlobBody, BlobStore, ByteRange } from './blob-store.ts'

/** The rules of `BlobStore`, run against a real driver. Each test makes its own ids, so drivers need not be emptied. */
export function blobStoreContract(name: string, open: () => Promise<BlobStore>): void {
  describe(`blob store: ${name}`, () => {
    let store: BlobStore
    before(async () => {
      store = await open()
    })
    after(() => store.close())

    it('gives back the bytes that were put, whole', async () => {
      for (const size of [1, 65_536, 65_537, 1_000_003]) {
        const bytes = randomBytes(size)
        const id = newId()
        assert.deepEqual(await store.put(id, chunked(bytes)), { size })
        assert.ok(bytes.equals(await all(store, id, { first: 0, last: size - 1 })))
      }
    })

    it('keeps a blob of no bytes', async () => {
      const id = newId()
      assert.deepEqual(await store.put(id, chunked(Buffer.alloc(0))), { size: 0 })
      assert.deepEqual(
        (await Array.fromAsync(store.list(id))).map(({ size }) => size),
        [0],
      )
    })

    it('gives exactly the bytes of a range', async () => {
      const bytes = randomBytes(600_000)
      const id = newId()
      await store.put(id, chunked(bytes))
      for (const [first, last] of [
        [0, 0],
        [599_999, 599_999],
        [100, 199],
        [1, 599_998],
        [262_143, 262_144],
        [300_000, 599_999],
      ] as const) {
        assert.ok(bytes.subarray(first, last + 1).equals(await all(store, id, { first, last })), `${first}-${last}`)
      }
    })

    it('keeps what a driver may cut into parts: 8 MiB, one byte more, and several times that', async () => {
      for (const size of [PART, PART + 1, 2 * PART + 3]) {
        const bytes = randomBytes(size)
        const id = newId()
        assert.deepEqual(await store.put(id, chunked(bytes)), { size })
        for (const [first, last] of [
          [0, size - 1],
          [PART - 1, Math.min(PART, size - 1)],
          [size - 100_000, size - 1],
        ] as const) {
          assert.ok(bytes.subarray(first, last + 1).equals(await all(store, id, { first, last })), `${first}-${last}`)
        }
      }
    })

    it('may be given one buffer again and again', async () => {
      const buffer = Buffer.alloc(1000)
      const again = async function* () {
        for (let n = 0; n < 200; n++) yield buffer.fill(n)
      }
      const id = newId()
      await store.put(id, again())
      const bytes = await all(store, id, { first: 0, last: 199_999 })
      for (let n = 0; n < 200; n++) assert.ok(bytes.subarray(n * 1000, n * 1000 + 1000).every((byte) => byte === n))
    })

    it('answers undefined for a blob that is not there', async () => {
      assert.equal(await store.read(newId(), { first: 0, last: 0 }), undefined)
    })

    it('keeps nothing of a put that fails halfway', async () => {
      for (const size of [200_000, 2 * PART + 200_000]) {
        const id = newId()
        const halfway = async function* () {
          yield* chunked(randomBytes(size))
          throw new Error('the caller went away')
        }
        await assert.rejects(store.put(id, halfway()), /the caller went away/)
        assert.equal(await store.read(id, { first: 0, last: 0 }), undefined)
        assert.deepEqual(await Array.fromAsync(store.list(id)), [])
      }
    })

    it('fails a body that can not be given to its end', async () => {
      for (const size of [10, 300_000]) {
        const id = newId()
        await store.put(id, chunked(randomBytes(size)))
        await assert.rejects(all(store, id, { first: 0, last: size + 99_999 }))
      }
    })

    it('removes a blob, and does not mind removing it again', async () => {
      const id = newId()
      await store.put(id, chunked(randomBytes(10)))
      await store.remove(id)
      await store.remove(id)
      assert.equal(await store.read(id, { first: 0, last: 9 }), undefined)
    })

    it('lists what begins with a prefix, with sizes and times', async () => {
      const prefix = randomBytes(4).toString('hex')
      const ids = [`${prefix}${newId()}`.slice(0, 32), `${prefix}${newId()}${newId()}`]
      for (const [index, id] of ids.entries()) await store.put(id, chunked(randomBytes(index + 5)))
      await store.put(newId(), chunked(randomBytes(1)))
      const found = await Array.fromAsync(store.list(prefix))
      found.sort((one, other) => one.size - other.size)
      assert.deepEqual(
        found.map(({ id, size }) => [id, size]),
        ids.map((id, index) => [id, index + 5]),
      )
      for (const { modifiedAt } of found) assert.ok(Math.abs(modifiedAt - Date.now()) < 60_000)
    })

    it('keeps many puts at once apart', async () => {
      const blobs = Array.from({ length: 32 }, () => ({ id: newId(), bytes: randomBytes(10_000) }))
      await Promise.all(blobs.map(({ id, bytes }) => store.put(id, chunked(bytes))))
      for (const { id, bytes } of blobs) assert.ok(bytes.equals(await all(store, id, { first: 0, last: 9_999 })))
    })

    it('lets a reader stop early', async () => {
      const id = newId()
      await store.put(id, chunked(randomBytes(2_000_000)))
      const body = await store.read(id, { first: 0, last: 1_999_999 })
      assert.ok(body && !(body instanceof Uint8Array))
      for await (const _ of body) break
      assert.ok(body.destroyed)
    })

    it('says that it is well', () => store.check())
  })
}

// Of drivers that send large bodies in parts.
const PART = 8 * 1024 * 1024

function newId(): string {
  return randomBytes(16).toString('hex')
}

async function* chunked(bytes: Buffer): AsyncGenerator<Buffer> {
  for (let at = 0; at < bytes.length; at += 50_000) yield bytes.subarray(at, at + 50_000)
}

async function all(store: BlobStore, id: string, range: ByteRange): Promise<Buffer> {
  const body = await store.read(id, range)
  assert.ok(body, 'the blob is there')
  return bytesOf(body)
}

async function bytesOf(body: BlobBody): Promise<Buffer> {
  if (body instanceof Uint8Array) return Buffer.from(body)
  const chunks: Buffer[] = []
  for await (const chunk of body) chunks.push(chunk)
  return Buffer.concat(chunks)
}
