import assert from 'node:assert/strict'
import { it } from 'node:test'
import { TimedOut } from './attempts.ts'
import { describeOnS3 } from './s3.fixture.ts'
import { StoreRefusal } from './s3-errors.ts'
import { BROKEN, BUSY, s3BlobStage, unavailable } from './s3-stage.fixture.ts'
import type { StoreFault } from './store-proxy.fixture.ts'
import { BrokenBody } from './whole-body.ts'

const SHORT = 1000
const LONG = 2_000_000

describeOnS3('reading from S3', () => {
  const LASTING: [string, number, StoreFault][] = [
    ['503 SlowDown', SHORT, BUSY],
    ['500 InternalError', LONG, BROKEN],
    ['a reset before the head', LONG, { resetAt: 0 }],
    ['a reset in a short body', SHORT, { resetAt: 500 }],
    ['silence', LONG, { stallAt: 0 }],
    ['silence in a short body', SHORT, { stallAt: 500 }],
  ]
  for (const [name, size, fault] of LASTING) {
    it(`is tried again after ${name}, and given up after three tries`, async () => {
      await using stage = await s3BlobStage(size, fault, fault, undefined)
      assert.ok(stage.bytes.equals((await stage.whole()) ?? Buffer.alloc(0)))
      assert.equal(stage.seen(), 'GET GET GET')
      stage.meet('GET', fault)
      const started = performance.now()
      await assert.rejects(stage.read(), unavailable)
      assert.ok(performance.now() - started < 10_000)
      assert.equal(stage.seen(), 'GET GET GET')
    })
  }

  it('fails in the middle of a long body that is reset or stalls there', async () => {
    await using stage = await s3BlobStage(LONG, { resetAt: 700_000 }, { stallAt: 700_000 })
    await assert.rejects(stage.whole(), BrokenBody)
    await assert.rejects(stage.whole(), TimedOut)
    assert.equal(stage.seen(), 'GET GET')
  })

  it('takes no body that is too short, even if its head says so', async () => {
    for (const size of [SHORT, LONG]) {
      await using stage = await s3BlobStage(size, { shortenTo: 500 })
      await assert.rejects(stage.whole(), /the store gives 500 bytes/)
      assert.equal(stage.seen(), 'GET')
    }
  })

  it('says at once, and in a sentence, that clocks are apart', async () => {
    await using stage = await s3BlobStage(SHORT, { refuse: { status: 403, code: 'RequestTimeTooSkewed' } })
    await assert.rejects(stage.read(), (error) => error instanceof StoreRefusal && /by NTP/.test(error.message))
    assert.equal(stage.seen(), 'GET')
  })

  it('finds nothing where the store says so after a put', async () => {
    await using stage = await s3BlobStage(SHORT, { refuse: { status: 404, code: 'NoSuchKey' } })
    assert.equal(await stage.read(), undefined)
    assert.equal(stage.seen(), 'GET')
  })

  it('stops after five failures, asks once after 5 s, and goes on when that is answered', async () => {
    await using stage = await s3BlobStage(SHORT, BUSY, BUSY, BUSY, BUSY, BUSY, BUSY, undefined)
    await Promise.all([0, 1].map(() => assert.rejects(stage.read(), unavailable)))
    for (let n = 0; n < 20; n++) await assert.rejects(stage.read(), unavailable)
    assert.equal(stage.seen(), 'GET GET GET GET GET')
    stage.ahead(5000)
    await assert.rejects(stage.read(), unavailable)
    assert.equal(stage.proxy.requests.length, 6)
    stage.ahead(5000)
    for (let n = 0; n < 3; n++) assert.ok(stage.bytes.equals((await stage.whole()) ?? Buffer.alloc(0)))
    assert.equal(stage.proxy.requests.length, 9)
  })

  it('keeps no connection of a reader that left, and uses those of the others again', async () => {
    await using stage = await s3BlobStage(LONG)
    for (let n = 0; n < 20; n++) {
      const body = await stage.read()
      assert.ok(body && !(body instanceof Uint8Array))
      for await (const _ of body) break
    }
    const deadline = performance.now() + 10_000
    while (stage.proxy.connections() > 2) {
      assert.ok(performance.now() < deadline, `${stage.proxy.connections()} connections`)
      await new Promise((resolve) => setTimeout(resolve, 10))
    }
    for (let n = 0; n < 20; n++) await stage.whole()
    assert.ok(
      stage.proxy.connections() >= 1 && stage.proxy.connections() <= 2,
      `${stage.proxy.connections()} connections`,
    )
  })
})
