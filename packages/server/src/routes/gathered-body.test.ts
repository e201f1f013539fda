import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { PassThrough, Readable } from 'node:stream'
import { it } from 'node:test'
import { gathered } from './gathered-body.ts'

const KIB = 1024

async function collected(body: Readable): Promise<{ bytes: Buffer; shared: boolean[] }> {
  const chunks: Buffer[] = []
  const shared: boolean[] = []
  for await (const chunk of gathered(body)) {
    // Copied: the next one may come in the same memory.
    chunks.push(Buffer.from(Uint8Array.from(chunk)))
    shared.push(chunk.buffer instanceof SharedArrayBuffer)
  }
  return { bytes: Buffer.concat(chunks), shared }
}

it('gives every byte of bodies of any length, also of two at a time', async () => {
  for (const size of [0, 1, 64 * KIB, 128 * KIB - 1, 128 * KIB, 256 * KIB, 256 * KIB + 1, 3000 * KIB + 7]) {
    const originals = [randomBytes(size), randomBytes(size)]
    const found = await Promise.all(originals.map((bytes) => collected(Readable.from(piecesOf(bytes)))))
    for (const [index, { bytes, shared }] of found.entries()) {
      assert.ok(bytes.equals(originals[index] ?? Buffer.alloc(0)), `${size} bytes`)
      if (size <= 64 * KIB) assert.ok(!shared.includes(true), `${size} bytes`)
      if (size > 1000 * KIB) assert.ok(shared[0], `${size} bytes`)
    }
  }
})

it('leaves memory alone that a piece has only a part of', async () => {
  const whole = Buffer.from(new ArrayBuffer(600 * KIB)).fill(7)
  const pieces = [0, 190, 380].map((from) => whole.subarray(from * KIB, (from + 190) * KIB))
  assert.equal((await collected(Readable.from(pieces))).bytes.length, 570 * KIB)
  assert.equal(whole[599 * KIB], 7)
})

it('passes on how a body broke, and ends one that nobody reads on', async () => {
  const broken = new PassThrough()
  broken.write(Buffer.alloc(150 * KIB))
  const reading = collected(broken)
  broken.destroy(new Error('cut'))
  await assert.rejects(reading, /cut/)
  const left = new PassThrough()
  left.write(Buffer.alloc(200 * KIB))
  for await (const _ of gathered(left)) break
  assert.ok(left.destroyed)
})

function* piecesOf(bytes: Buffer): Generator<Buffer> {
  for (let at = 0; at < bytes.length; at += 60_000) yield Buffer.from(bytes.subarray(at, at + 60_000))
}
