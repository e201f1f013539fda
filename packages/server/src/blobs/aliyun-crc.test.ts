import assert from 'node:assert/strict'
import { once } from 'node:events'
import { PassThrough } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import { describe, it } from 'node:test'
import { crcChecked, crcPass } from './aliyun-crc.ts'
import { BrokenBody } from './whole-body.ts'

// Known from the vendor's documentation.
const DIGITS = Buffer.from('123456789')
const CRC_OF_DIGITS = '11051210869376104954'

describe('CRC-64 of OSS', () => {
  it('is the known one, of what is given in pieces too', async () => {
    const crc = await crcPass()
    for (const byte of DIGITS) crc.update(Uint8Array.of(byte))
    assert.equal(crc.result(), CRC_OF_DIGITS)
    assert.equal((await crcPass()).result(), '0')
  })

  it('of two bodies at once is kept apart', async () => {
    const [one, other] = [await crcPass(), await crcPass()]
    for (const byte of DIGITS) {
      one.update(Uint8Array.of(byte))
      other.update(Uint8Array.of(0))
    }
    assert.equal(one.result(), CRC_OF_DIGITS)
    assert.notEqual(other.result(), CRC_OF_DIGITS)
  })

  it('lets a whole body pass', async () => {
    const source = new PassThrough()
    const body = await crcChecked(source, CRC_OF_DIGITS)
    source.write(DIGITS.subarray(0, 4))
    source.end(DIGITS.subarray(4))
    assert.ok(DIGITS.equals(await buffer(body)))
  })

  it('holds the last bytes back until it is right', async () => {
    const source = new PassThrough()
    const body = await crcChecked(source, '1')
    const received: number[] = []
    body.on('data', (chunk: Buffer) => received.push(chunk.length))
    const failed = once(body, 'error')
    for (const length of [3, 2, 4]) {
      source.write(DIGITS.subarray(0, length))
      await new Promise(setImmediate)
    }
    assert.deepEqual(received, [3, 2])
    source.end()
    const [error] = await failed
    assert.ok(error instanceof BrokenBody)
    assert.deepEqual(received, [3, 2])
  })

  it('breaks with its source, and lets go of it when the reader leaves', async () => {
    const [broken, left] = [new PassThrough(), new PassThrough()]
    const body = await crcChecked(broken, '1')
    const failed = once(body, 'error')
    broken.destroy(new Error('cut'))
    assert.match(String((await failed)[0]), /cut/)
    const other = await crcChecked(left, '1')
    const closed = new Promise((resolve) => left.on('error', () => {}).once('close', resolve))
    other.on('error', () => {}).destroy()
    await closed
  })
})
