import assert from 'node:assert/strict'
import { once } from 'node:events'
import { PassThrough, type Readable } from 'node:stream'
import { describe, it } from 'node:test'
import { TimedOut } from './attempts.ts'
import { handTiming } from './timing.fixture.ts'
import { BrokenBody, wholeBody } from './whole-body.ts'

const all = async (body: Readable) => Buffer.concat(await Array.fromAsync(body))

describe('a whole body', () => {
  it('is passed on as it is', async () => {
    const source = new PassThrough()
    source.write('one ')
    const body = await wholeBody(source, { length: 7 })
    source.end('two')
    assert.equal(String(await all(body)), 'one two')
  })

  it('that ends early, breaks, closes or runs over is an error', async () => {
    const endings: [string, (source: PassThrough) => void][] = [
      ['ended at byte 4 of 7', (source) => source.end()],
      ['broke at byte 4 of 7', (source) => source.destroy(new Error('reset'))],
      ['ended at byte 4 of 7', (source) => source.destroy()],
      ['more than the 7 bytes', (source) => source.end('four')],
    ]
    for (const [words, ending] of endings) {
      const source = new PassThrough()
      source.write('one ')
      const body = await wholeBody(source, { length: 7 })
      ending(source)
      await assert.rejects(all(body), (error) => error instanceof BrokenBody && error.message.includes(words))
      assert.ok(source.destroyed)
    }
  })

  it('that never begins is rejected before there is a stream', async () => {
    for (const ending of [(source: PassThrough) => source.end(), (source: PassThrough) => source.destroy()]) {
      const source = new PassThrough()
      const body = wholeBody(source, { length: 7 })
      ending(source)
      await assert.rejects(body, /byte 0 of 7/)
    }
    const source = new PassThrough()
    const controller = new AbortController()
    const body = wholeBody(source, { length: 7, signal: controller.signal })
    controller.abort()
    await assert.rejects(body, BrokenBody)
    assert.ok(source.destroyed)
  })

  it('that stalls is an error after its time, begun or not', async () => {
    const timing = handTiming()
    const source = new PassThrough()
    const unbegun = assert.rejects(wholeBody(source, { length: 7, timing }), TimedOut)
    await timing.pass(30_000)
    await unbegun
    assert.ok(source.destroyed)

    const begun = new PassThrough()
    begun.write('one ')
    const body = await wholeBody(begun, { length: 7, timing })
    const read = assert.rejects(all(body), /stalled at byte 4/)
    await timing.pass(29_999)
    assert.ok(!body.destroyed)
    await timing.pass(1)
    await read
    assert.ok(begun.destroyed)
    assert.equal(timing.pending(), 0)
  })

  it('is never hurried by a reader that is slow itself', async () => {
    const timing = handTiming()
    const source = new PassThrough()
    const bytes = Buffer.alloc(500_000, 'x')
    for (let at = 0; at < bytes.length; at += 50_000) source.write(bytes.subarray(at, at + 50_000))
    source.end()
    const body = await wholeBody(source, { length: bytes.length, timing })
    await timing.pass(3_600_000)
    assert.ok(body.readableLength < 200_000, `${body.readableLength} bytes in memory`)
    assert.ok((await all(body)).equals(bytes))
    assert.equal(timing.pending(), 0)
  })

  it('that stalls after such a reader came back is an error too', async () => {
    const timing = handTiming()
    const source = new PassThrough()
    source.write(Buffer.alloc(100_000))
    const body = await wholeBody(source, { length: 100_001, timing })
    await timing.pass(3_600_000)
    const read = assert.rejects(all(body), /stalled at byte 100000/)
    await timing.pass(30_000)
    await read
  })

  it('lets go of its source when the reader leaves', async () => {
    const timing = handTiming()
    const source = new PassThrough()
    source.write('one ')
    const body = await wholeBody(source, { length: 7, timing })
    body.destroy()
    await once(body, 'close')
    assert.ok(source.destroyed)
    assert.equal(timing.pending(), 0)
  })

  it('keeps an error for the reader who comes after it', async () => {
    const source = new PassThrough()
    source.write('one ')
    const body = await wholeBody(source, { length: 7 })
    source.destroy()
    await once(source, 'close')
    await new Promise(setImmediate)
    await assert.rejects(all(body), BrokenBody)
  })
})
