import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import { it } from 'node:test'
import fc from 'fast-check'
import { type Part, partsOf } from './parts.ts'

/** In one buffer, used again for each chunk. */
async function* inChunks(bytes: Buffer, sizes: number[]): AsyncGenerator<Uint8Array> {
  const buffer = Buffer.alloc(Math.max(...sizes))
  let at = 0
  for (let index = 0; at < bytes.length; index++) {
    const chunk = bytes.subarray(at, at + (sizes[index % sizes.length] ?? 1))
    buffer.set(chunk)
    yield buffer.subarray(0, chunk.length)
    at += chunk.length
  }
}

it('cuts any body into full parts and a last one, with the digest of each', async () => {
  const chunkSizes = fc.array(fc.integer({ min: 1, max: 200 }), { minLength: 1, maxLength: 10 })
  await fc.assert(
    fc.asyncProperty(fc.nat(400), fc.integer({ min: 1, max: 64 }), chunkSizes, async (length, size, sizes) => {
      const bytes = randomBytes(length)
      const parts = await Array.fromAsync(partsOf(inChunks(bytes, sizes), size))
      assert.ok(Buffer.concat(parts.map((part) => part.bytes)).equals(bytes))
      assert.equal(parts.length, Math.max(1, Math.ceil(length / size)))
      for (const [index, part] of parts.entries()) {
        assert.equal(part.number, index + 1)
        assert.equal(part.last, index === parts.length - 1)
        if (!part.last) assert.equal(part.bytes.length, size)
        assert.ok(part.md5.equals(createHash('md5').update(part.bytes).digest()))
      }
    }),
  )
})

it('cuts a body of megabytes', async () => {
  const bytes = randomBytes(3_000_001)
  const parts = await Array.fromAsync(partsOf(inChunks(bytes, [65_536, 9, 400_000]), 1_000_000))
  assert.deepEqual(
    parts.map((part) => part.bytes.length),
    [1_000_000, 1_000_000, 1_000_000, 1],
  )
  assert.ok(Buffer.concat(parts.map((part) => part.bytes)).equals(bytes))
})

it('reads no further than the part that is asked for, and a chunk', async () => {
  let taken = 0
  const counted = async function* () {
    for (; taken < 100; taken++) yield Buffer.alloc(10)
  }
  const parts = partsOf(counted(), 25)
  await parts.next()
  assert.ok(taken <= 3, `${taken}`)
  await parts.return()
})

it('fails where the body fails, and ends the body when it is left', async () => {
  const halfway = async function* () {
    yield Buffer.alloc(30)
    throw new Error('the caller went away')
  }
  const parts: Part[] = []
  await assert.rejects(async () => {
    for await (const part of partsOf(halfway(), 20)) parts.push(part)
  }, /went away/)
  assert.deepEqual(
    parts.map(({ last }) => last),
    [false],
  )
  let ended = false
  const endless = async function* () {
    try {
      for (;;) yield Buffer.alloc(30)
    } finally {
      ended = true
    }
  }
  for await (const _ of partsOf(endless(), 20)) break
  assert.ok(ended)
})
