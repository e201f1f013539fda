/** What goes wrong between the driver of Alibaba OSS and its store, and that nothing damaged ever passes as whole. */
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { after, describe, it } from 'node:test'
import { TimedOut } from '../packages/server/src/blobs/attempts.ts'
import { bytesOf } from '../packages/server/src/blobs/blob-store.ts'
import { type StoreFault, storeProxy } from '../packages/server/src/blobs/store-proxy.fixture.ts'
import { BrokenBody } from '../packages/server/src/blobs/whole-body.ts'
import { startAttache } from '../packages/server/src/dev/testing.ts'
import { chunked, damagingProxy, newId, quickTiming, storeOn, unavailable } from './aliyun-store.ts'
import { until } from './server.ts'

const attache = await startAttache()
after(() => attache.close())
const open = storeOn(attache)
const SHORT = 1000
const LONG = 2_000_000
const PARTS = 9_000_000
const BUSY: StoreFault = { refuse: { status: 503, code: 'ServiceUnavailable' } }

/** A store behind a proxy whose faults requests of one method meet in turn, the last one again and again. */
async function stage(size: number, longestWaitMs?: number) {
  const proxy = await storeProxy(attache.store.endpoint)
  const prefix = `${newId()}/`
  const timing = quickTiming(longestWaitMs)
  const direct = await open({ prefix })
  const store = await open({ prefix, timing, endpoint: proxy.url })
  const id = newId()
  const bytes = randomBytes(size)
  const range = { first: 0, last: size - 1 }
  return {
    proxy,
    timing,
    store,
    id,
    bytes,
    put: (to = store) => to.put(id, chunked(bytes)),
    read: () => store.read(id, range),
    async whole(from = store) {
      const body = await from.read(id, range)
      return body && (await bytesOf(body))
    },
    meet(method: string, ...faults: (StoreFault | undefined)[]) {
      proxy.requests.length = 0
      let met = 0
      proxy.fault = (request) => (request.method === method ? faults[Math.min(met++, faults.length - 1)] : undefined)
    },
    seen: () => proxy.requests.map(({ method }) => method).join(' '),
    direct,
    left: async () => (await Array.fromAsync(direct.list(''))).length,
    async [Symbol.asyncDispose]() {
      await Promise.all([store.close(), direct.close()])
      await proxy[Symbol.asyncDispose]()
    },
  }
}

describe('reading from OSS', () => {
  const LASTING: [string, number, StoreFault][] = [
    ['503', SHORT, BUSY],
    ['a reset before the head', LONG, { resetAt: 0 }],
    ['a reset in a short body', SHORT, { resetAt: 500 }],
    ['silence', LONG, { stallAt: 0 }],
    ['silence in a short body', SHORT, { stallAt: 500 }],
  ]
  for (const [name, size, fault] of LASTING) {
    it(`is tried again after ${name}, and given up after three tries`, async () => {
      await using staged = await stage(size, fault.stallAt === undefined ? undefined : 600)
      await staged.put(staged.direct)
      staged.meet('GET', fault, fault, undefined)
      assert.ok(staged.bytes.equals((await staged.whole()) ?? Buffer.alloc(0)))
      assert.equal(staged.seen(), 'GET GET GET')
      staged.meet('GET', fault)
      const started = performance.now()
      await assert.rejects(staged.read(), unavailable)
      assert.ok(performance.now() - started < 10_000)
      assert.equal(staged.seen(), 'GET GET GET')
    })
  }

  it('fails in the middle of a long body that is reset, ends or stalls there', async () => {
    await using staged = await stage(LONG, 600)
    await staged.put(staged.direct)
    staged.meet('GET', { resetAt: 700_000 }, { stallAt: 700_000 })
    await assert.rejects(staged.whole(), BrokenBody)
    await assert.rejects(staged.whole(), TimedOut)
    assert.equal(staged.seen(), 'GET GET')
  })

  it('takes no body that is too short, even if its head says so', async () => {
    for (const size of [SHORT, LONG]) {
      await using staged = await stage(size)
      await staged.put(staged.direct)
      staged.meet('GET', { shortenTo: 500 })
      await assert.rejects(staged.whole(), /the store gives 500 bytes/)
      assert.equal(staged.seen(), 'GET')
    }
  })

  it('stops after five failures, asks once after 5 s, and goes on when that is answered', async () => {
    await using staged = await stage(SHORT)
    await staged.put(staged.direct)
    staged.meet('GET', BUSY, BUSY, BUSY, BUSY, BUSY, undefined)
    await Promise.all([0, 1].map(() => assert.rejects(staged.read(), unavailable)))
    await assert.rejects(staged.read(), unavailable)
    assert.equal(staged.seen(), 'GET GET GET GET GET')
    staged.timing.skip(5000)
    for (let n = 0; n < 3; n++) assert.ok(staged.bytes.equals((await staged.whole()) ?? Buffer.alloc(0)))
    assert.equal(staged.proxy.requests.length, 8)
  })

  it('keeps no connection of a reader that left', async () => {
    await using staged = await stage(LONG)
    await staged.put(staged.direct)
    staged.meet('GET', undefined)
    for (let n = 0; n < 20; n++) {
      const body = await staged.read()
      assert.ok(body && !(body instanceof Uint8Array))
      for await (const _ of body) break
    }
    await until(5000, async () => (staged.proxy.connections() <= 2 ? true : undefined))
  })
})

describe('putting into OSS', () => {
  for (const [name, fault] of [
    ['503', BUSY],
    ['the loss of its answer', { resetAt: 0 }],
    ['the ETag of other bytes', { etag: `"${'0'.repeat(32)}"` }],
  ] as const) {
    for (const size of [SHORT, PARTS]) {
      it(`${size} bytes is tried again after ${name}, and leaves nothing when it is given up`, async () => {
        await using staged = await stage(size)
        staged.meet('PUT', fault, fault, undefined)
        assert.deepEqual(await staged.put(), { size })
        assert.ok(staged.bytes.equals((await staged.whole(staged.direct)) ?? Buffer.alloc(0)))
        await staged.direct.remove(staged.id)
        staged.meet('PUT', fault)
        await assert.rejects(staged.put(), unavailable)
        // The answers to DELETE are not spoilt; the breaker lets them through once it is tried.
        staged.timing.skip(5000)
        await staged.store.check()
        await until(5000, async () => ((await staged.left()) === 0 ? true : undefined))
      })
    }
  }

  it('in parts whose end was done and whose answer was lost is done', async () => {
    await using staged = await stage(PARTS)
    let posts = 0
    staged.proxy.requests.length = 0
    // The first POST begins the upload.
    staged.proxy.fault = ({ method }) => (method === 'POST' && ++posts === 2 ? { resetAt: 0 } : undefined)
    assert.deepEqual(await staged.put(), { size: PARTS })
    assert.equal(staged.seen(), 'POST PUT PUT POST POST HEAD')
    assert.ok(staged.bytes.equals((await staged.whole(staged.direct)) ?? Buffer.alloc(0)))
  })

  it('in parts whose end is refused for good leaves nothing', async () => {
    await using staged = await stage(PARTS)
    let posts = 0
    staged.proxy.fault = ({ method }) =>
      method === 'POST' && ++posts >= 2 ? { refuse: { status: 403, code: 'AccessDenied' } } : undefined
    await assert.rejects(staged.put(), /oss:PutObject/)
    await staged.store.close()
    assert.equal(await staged.left(), 0)
    assert.match(staged.seen(), /POST DELETE DELETE$/)
  })
})

describe('bytes that are damaged on their way', () => {
  for (const size of [SHORT, LONG, PARTS]) {
    it(`are refused by their MD5 when they are put, and sent again (${size})`, async () => {
      await using proxy = await damagingProxy(attache.store.endpoint)
      await using store = await open({ endpoint: proxy.url })
      const bytes = randomBytes(size)
      const id = newId()
      proxy.damage.sent = 2
      await store.put(id, chunked(bytes))
      assert.ok(proxy.damage.sent <= 0)
      assert.ok(proxy.digests.length >= 3 && proxy.digests.every((digest) => digest !== undefined))
      const body = await store.read(id, { first: 0, last: size - 1 })
      assert.ok(body && bytes.equals(await bytesOf(body)))
    })
  }

  it('never look whole when they are read: a short body is asked for again, a long one fails before its end', async () => {
    await using proxy = await damagingProxy(attache.store.endpoint)
    await using store = await open({ endpoint: proxy.url })
    const short = randomBytes(SHORT)
    const long = randomBytes(LONG)
    const ids = [newId(), newId()] as const
    await store.put(ids[0], chunked(short))
    await store.put(ids[1], chunked(long))
    proxy.damage.given = 2
    assert.ok(short.equals((await store.read(ids[0], { first: 0, last: SHORT - 1 })) as Buffer))
    proxy.damage.given = 1
    const body = await store.read(ids[1], { first: 0, last: LONG - 1 })
    let received = 0
    const reading = async () => {
      for await (const chunk of body as AsyncIterable<Buffer>) received += chunk.length
    }
    await assert.rejects(reading, (error) => error instanceof BrokenBody && /another CRC-64/.test(String(error.cause)))
    assert.ok(received < LONG, `${received} bytes`)
  })
})
