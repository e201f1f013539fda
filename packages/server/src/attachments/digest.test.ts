import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { it } from 'node:test'
import { digestPass } from './digest.ts'

interface Vector {
  text: string
  crc64ecma: string
}

const file = new URL('../../../../vectors/oss.json', import.meta.url)
const vectors: { crc64ecma: Vector[] } = JSON.parse(readFileSync(file, 'utf8'))

it('gives the known CRC-64 of each vector', async () => {
  for (const { text, crc64ecma } of vectors.crc64ecma) {
    const pass = await digestPass()
    pass.update(Buffer.from(text))
    assert.equal(pass.result().crc64, crc64ecma)
  }
})

it('keeps passes at the same time apart, also when one is given up', async () => {
  const bytes = randomBytes(100_000)
  const whole = await digestPass()
  whole.update(bytes)
  const expected = whole.result()
  const [first, abandoned, second] = await Promise.all([digestPass(), digestPass(), digestPass()])
  for (let at = 0; at < bytes.length; at += 999) {
    for (const pass of [first, second]) pass.update(bytes.subarray(at, at + 999))
    abandoned.update(bytes.subarray(0, 10))
  }
  for (const { head, ...digest } of [first.result(), second.result()]) {
    assert.equal(digest.crc64, expected.crc64)
    assert.equal(digest.md5, createHash('md5').update(bytes).digest('hex'))
    assert.equal(digest.sha256, createHash('sha256').update(bytes).digest('hex'))
    assert.equal(digest.size, bytes.length)
    assert.ok(head.equals(bytes.subarray(0, 4100)))
  }
})
