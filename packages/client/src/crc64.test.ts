import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { crc64 } from './crc64.ts'

const of = (...parts: Uint8Array[]) => {
  const crc = crc64()
  for (const part of parts) crc.update(part)
  return crc.value()
}

describe('CRC-64/XZ', () => {
  for (const [text, value] of [
    ['', '0'],
    ['123456789', '11051210869376104954'],
    ['hello', '11177612005948864433'],
  ] as const) {
    it(`of ${JSON.stringify(text)} is what OSS gives`, () => assert.equal(of(new TextEncoder().encode(text)), value))
  }

  it('is that of the definition, bit by bit, however the bytes are cut', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), fc.nat(200), fc.nat(16), (bytes, cut, shift) => {
        const moved = new Uint8Array(bytes.length + shift)
        moved.set(bytes, shift)
        const whole = moved.subarray(shift)
        assert.equal(of(whole.subarray(0, cut), whole.subarray(cut)), byDefinition(bytes))
      }),
    )
  })
})

function byDefinition(bytes: Uint8Array): string {
  let crc = 0xffffffffffffffffn
  for (const byte of bytes) {
    crc ^= BigInt(byte)
    for (let bit = 0; bit < 8; bit++) crc = (crc >> 1n) ^ (crc & 1n ? 0xc96c5795d7870f42n : 0n)
  }
  return (crc ^ 0xffffffffffffffffn).toString()
}
