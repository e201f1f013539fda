import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { get } from 'node:http'
import { after, afterEach, before, describe, it } from 'node:test'
import { PATHS } from '@attache/protocol'
import { type Calls, callsOf } from './dev.fixture.ts'
import { type SeededAttachment, startAttache, type TestAttache } from './testing.ts'

/** What came of a GET, as far as it came, over a connection of its own. */
interface Outcome {
  status: number | undefined
  declared: number
  bytes: Buffer
  whole: boolean
  ms: number
}

function getRaw(url: string, patienceMs = 5000): Promise<Outcome> {
  const started = performance.now()
  const chunks: Buffer[] = []
  return new Promise((resolve) => {
    const seen: { status?: number; declared?: number } = {}
    const finish = (whole: boolean) => {
      request.destroy()
      const { status, declared = -1 } = seen
      resolve({ status, declared, bytes: Buffer.concat(chunks), whole, ms: performance.now() - started })
    }
    const request = get(url, { agent: false }, (response) => {
      Object.assign(seen, { status: response.statusCode, declared: Number(response.headers['content-length']) })
      response.on('data', (chunk: Buffer) => chunks.push(chunk))
      response.on('close', () => finish(response.complete))
      response.on('error', () => {})
    })
    request.on('error', () => finish(false))
    setTimeout(() => finish(false), patienceMs).unref()
  })
}

describe('faults', () => {
  let attache: TestAttache
  let calls: Calls
  let large: SeededAttachment
  const bytes = randomBytes(3_000_000)
  before(async () => {
    attache = await startAttache()
    calls = callsOf(attache)
    large = await attache.seedAttachment({ name: '大文件.bin', content: bytes })
  })
  afterEach(() => {
    for (const { path } of attache.requests().requests) assert.ok(!path.includes('?'))
  })
  after(() => attache.close())

  it("answer in the vendor's shape on the control plane, so many times, and then let the service answer", async () => {
    const fault = attache.fault('expired-token', { times: 2 })
    const token = await calls.token()
    const ask = () => calls.post(`${PATHS.downloadUrls}?accessToken=${token}`, [])
    for (const left of [1, 0]) {
      const answer = await ask()
      assert.equal(answer.status, 403)
      assert.deepEqual(await answer.json(), {
        errorCode: 403,
        errorMessage: '未授权',
        errorDetails: null,
        code: null,
        data: null,
      })
      assert.ok(answer.headers.get('x-request-id'))
      assert.equal(fault.left, left)
    }
    assert.equal((await ask()).status, 200)
  })

  it('answer as plain text, which no JSON parser reads', async () => {
    attache.fault('batch-too-big')
    const answer = await calls.post(`${PATHS.downloadUrls}?accessToken=${await calls.token()}`, [])
    assert.equal(answer.status, 400)
    assert.equal(answer.headers.get('content-type'), 'text/plain; charset=utf-8')
    await assert.rejects(answer.json(), SyntaxError)
  })

  it('answer an upload that is still coming, and a link in XML, with Retry-After', async () => {
    attache.fault('storage-503', { times: 3 })
    const upload = await calls.upload('a.bin', bytes)
    assert.deepEqual([upload.status, upload.headers.get('retry-after')], [503, '1'])
    assert.equal(((await upload.json()) as { errorCode: number }).errorCode, 503)
    const { url } = await calls.link(large)
    const answer = await fetch(url)
    assert.deepEqual([answer.status, answer.headers.get('retry-after')], [503, '1'])
    assert.match(await answer.text(), /<Code>ServiceUnavailable<\/Code>/)
    const head = await fetch(url, { method: 'HEAD' })
    assert.equal(head.status, 503)
    assert.match(Buffer.from(head.headers.get('x-oss-err') ?? '', 'base64').toString(), /ServiceUnavailable/)
    assert.equal((await fetch(url)).status, 200)
  })

  for (const cut of [0, 1, 70_001, 2_999_999]) {
    it(`cut the connection after ${cut} bytes of a body, to the byte`, async () => {
      attache.fault({ path: `/${attache.bucket}/*`, cutAfterBytes: cut })
      const { status, declared, bytes: got, whole } = await getRaw((await calls.link(large)).url)
      assert.equal(whole, false)
      assert.equal(got.length, cut)
      assert.ok(bytes.subarray(0, cut).equals(got))
      if (cut > 0) assert.deepEqual([status, declared], [200, bytes.length])
      else assert.equal(status, undefined)
    })
  }

  it('cut the answer of an upload whose work is done', async () => {
    attache.fault({ path: PATHS.upload, cutAfterBytes: 10 })
    const before = (await attache.requests(PATHS.upload)).count
    await assert.rejects(async () => (await calls.upload('stored.txt', Buffer.from('x'))).json())
    const { count, requests } = attache.requests(PATHS.upload)
    assert.equal(count, before + 1)
    assert.equal(requests.at(-1)?.status, 200)
  })

  it('delay an answer, and what comes after them is not delayed', async () => {
    attache.fault({ path: `/${attache.bucket}/*`, delayMs: 300 })
    const { url } = await calls.link(large)
    const slow = await getRaw(url)
    const quick = await getRaw(url)
    assert.ok(slow.ms >= 295, `${slow.ms} ms`)
    assert.ok(slow.whole && quick.whole && bytes.equals(slow.bytes))
    assert.ok(quick.ms < slow.ms, `${quick.ms} ms`)
  })

  it('slow a body down to so many bytes a second, and give all of it', async () => {
    const small = await attache.seedAttachment({ name: 'small.bin', content: bytes.subarray(0, 40_000) })
    attache.fault('slow-link', { bytesPerSecond: 100_000 })
    const { ms, whole, bytes: got } = await getRaw((await calls.link(small)).url)
    assert.ok(whole && bytes.subarray(0, 40_000).equals(got))
    assert.ok(ms >= 390 && ms < 2000, `${ms} ms`)
  })

  it('stall after the first bytes, until the fault is over', async () => {
    attache.fault('stall')
    const { url } = await calls.link(large)
    const stalled = await getRaw(url, 300)
    assert.deepEqual([stalled.status, stalled.bytes.length, stalled.whole], [200, 1024, false])
    const again = attache.fault('stall')
    const waiting = getRaw(url)
    while (again.left !== 0) await new Promise(setImmediate)
    await fetch(`${attache.url}/dev/faults`, { method: 'DELETE' })
    const ended = await waiting
    assert.ok(!ended.whole && ended.ms < 3000)
  })

  it('are noted in the log by the name of their preset, or by their number', async () => {
    const { id } = attache.fault({ path: '/livez', status: 500 })
    assert.equal((await fetch(`${attache.url}/livez`)).status, 500)
    assert.equal(attache.requests('/livez').requests.at(-1)?.fault, `#${id}`)
  })

  it('do not hold up the end', async () => {
    const other = await startAttache()
    const file = await other.seedAttachment({ name: 'a.bin', content: bytes })
    const { url } = await callsOf(other).link(file)
    other.fault('stall')
    other.fault({ path: '/livez', delayMs: 60_000 })
    const hanging = [getRaw(url), getRaw(`${other.url}/livez`)]
    while (other.requests().requests.filter(({ fault }) => fault).length < 2) await new Promise(setImmediate)
    const started = performance.now()
    await other.close()
    assert.ok(performance.now() - started < 1000)
    await Promise.all(hanging)
  })
})
