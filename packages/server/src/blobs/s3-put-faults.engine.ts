import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { it } from 'node:test'
import { describeOnS3 } from './s3.fixture.ts'
import { BUSY, inChunks, newId, s3Stage, unavailable } from './s3-stage.fixture.ts'
import type { StoreFault } from './store-proxy.fixture.ts'

// Of three parts, which are sent with two in memory.
const IN_PARTS = 17_000_000

describeOnS3('putting to S3', () => {
  const LASTING: [string, StoreFault][] = [
    ['503 SlowDown', BUSY],
    ['a lost answer', { resetAt: 0 }],
    ['silence', { stallAt: 0 }],
    ['the ETag of other bytes', { etag: `"${'0'.repeat(32)}"` }],
  ]
  for (const [name, fault] of LASTING) {
    it(`is tried again after ${name}, and leaves nothing when it is given up after three tries`, async () => {
      await using stage = await s3Stage()
      const bytes = randomBytes(100_000)
      const [kept, given] = [newId(), newId()]
      stage.meet('PUT', fault, fault, undefined)
      assert.deepEqual(await stage.store.put(kept, inChunks(bytes)), { size: bytes.length })
      assert.equal(stage.seen(), 'PUT PUT PUT')
      assert.ok(bytes.equals((await stage.stored(kept, bytes.length)) ?? Buffer.alloc(0)))

      stage.meet('PUT', fault)
      await assert.rejects(stage.store.put(given, inChunks(bytes)), unavailable)
      await stage.store.close()
      assert.match(stage.seen(), /^PUT PUT PUT DELETE$/)
      assert.equal(await stage.stored(given, 1), undefined)
    })
  }

  it('in parts is tried again part by part', async () => {
    await using stage = await s3Stage()
    const bytes = randomBytes(IN_PARTS)
    const id = newId()
    stage.meet('PUT', BUSY, { resetAt: 0 }, undefined, { stallAt: 0 }, undefined, undefined)
    assert.deepEqual(await stage.store.put(id, inChunks(bytes)), { size: IN_PARTS })
    assert.equal(stage.seen(), 'POST PUT PUT PUT PUT PUT PUT POST')
    assert.ok(bytes.equals((await stage.stored(id, IN_PARTS)) ?? Buffer.alloc(0)))
  })

  it('in parts ends the upload when a part is given up, or the body fails, and leaves nothing of it', async () => {
    await using stage = await s3Stage()
    const id = newId()
    stage.meet('PUT', undefined, BUSY)
    await assert.rejects(stage.store.put(id, inChunks(randomBytes(IN_PARTS))), unavailable)
    await settled(stage.seen, 'POST PUT PUT PUT PUT DELETE')
    assert.deepEqual(await Array.fromAsync(stage.direct.list(id)), [])

    stage.meet('none')
    const halfway = async function* () {
      yield* inChunks(randomBytes(IN_PARTS))
      throw new Error('the caller went away')
    }
    await assert.rejects(stage.store.put(newId(), halfway()), /went away/)
    await settled(stage.seen, 'POST PUT PUT DELETE')
  })

  it('in parts finds that the upload was completed and only the answer lost', async () => {
    await using stage = await s3Stage()
    const bytes = randomBytes(IN_PARTS)
    const id = newId()
    stage.meet('POST', undefined, { resetAt: 0 }, undefined)
    assert.deepEqual(await stage.store.put(id, inChunks(bytes)), { size: IN_PARTS })
    assert.ok(bytes.equals((await stage.stored(id, IN_PARTS)) ?? Buffer.alloc(0)))
    assert.match(stage.seen(), /^POST PUT PUT PUT POST POST( HEAD)?$/)
  })

  it('notices a store that fails while the body is still coming', async () => {
    await using stage = await s3Stage()
    stage.meet('PUT', BUSY)
    let ended = false
    const waiting = Promise.withResolvers<void>()
    const slow = async function* () {
      try {
        yield* inChunks(randomBytes(9_000_000))
        await waiting.promise
      } finally {
        ended = true
      }
    }
    await assert.rejects(stage.store.put(newId(), slow()), unavailable)
    waiting.resolve()
    await new Promise(setImmediate)
    assert.ok(ended)
  })
})

async function settled(seen: () => string, expected: string): Promise<void> {
  const deadline = performance.now() + 5000
  while (seen() !== expected && performance.now() < deadline) await new Promise((resolve) => setTimeout(resolve, 10))
  assert.equal(seen(), expected)
}
