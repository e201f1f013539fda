import assert from 'node:assert/strict'
import { request } from 'node:http'
import { after, afterEach, before, describe, it } from 'node:test'
import { PATHS } from '@attache/protocol'
import { type Calls, callsOf, hintsOf } from './dev.fixture.ts'
import { startAttache, type TestAttache } from './testing.ts'

describe('the endpoints of the development mode', () => {
  let attache: TestAttache
  let calls: Calls
  before(async () => {
    attache = await startAttache()
    calls = callsOf(attache)
  })
  afterEach(() => attache.reset())
  after(() => attache.close())

  const dev = async (path: string, method = 'GET', body?: unknown) => {
    const answer = await fetch(`${attache.url}/dev/${path}`, {
      method,
      ...(body !== undefined && { body: typeof body === 'string' ? body : JSON.stringify(body) }),
    })
    return { status: answer.status, body: (await answer.json()) as Record<string, unknown> }
  }

  it('take faults, list them and take them back', async () => {
    const { status, body } = await dev('faults', 'POST', { preset: 'storage-503', times: 2 })
    assert.deepEqual([status, body['left'], body['preset']], [200, 2, 'storage-503'])
    await dev('faults', 'POST', { path: '/livez', status: 418 })
    assert.equal((await fetch(`${attache.url}/livez`)).status, 418)
    assert.equal(((await dev('faults')).body['faults'] as unknown[]).length, 1)
    assert.equal((await dev(`faults?id=${body['id']}`, 'DELETE')).status, 200)
    assert.equal((await dev(`faults?id=${body['id']}`, 'DELETE')).status, 404)
    await dev('faults', 'POST', { preset: 'stall' })
    assert.deepEqual((await dev('faults', 'DELETE')).body, { faults: [] })
  })

  it('refuse a fault that is none, and name the field', async () => {
    const { status, body } = await dev('faults', 'POST', { path: '*', status: 99 })
    assert.equal(status, 400)
    assert.equal((body['errorDetails'] as { path: string }[])[0]?.path, 'status')
    assert.equal((await dev('faults', 'POST', '{')).status, 412)
    assert.equal((await dev('faults', 'PUT')).status, 405)
  })

  it('move the clock, by which tokens, links and the Date header go', async () => {
    const token = await calls.token()
    const works = async () => (await calls.post(`${PATHS.downloadUrls}?accessToken=${token}`, [])).status === 200
    assert.ok(await works())
    const { body } = await dev('clock', 'POST', { advanceSeconds: 7201 })
    assert.ok(Math.abs(Number(body['aheadSeconds']) - 7201) < 1)
    assert.equal(await works(), false)
    const { headers } = await fetch(`${attache.url}/livez`)
    assert.ok(Math.abs(Date.parse(headers.get('date') ?? '') - Date.now() - 7_201_000) < 2000)
    assert.equal((await dev('clock', 'POST', { now: '2030-01-01T00:00:00Z' })).status, 200)
    assert.match(String((await dev('clock')).body['time']), /^2030-01-01T00:00:0/)
    assert.equal((await dev('clock', 'POST', { now: Date.now() })).status, 200)
    for (const wrong of [{}, { now: 'soon' }, { now: -1 }, { advance: 1 }, { now: 1, advanceSeconds: 1 }])
      assert.equal((await dev('clock', 'POST', wrong)).status, 400)
    assert.ok(await works())
  })

  it('tell what was asked, how often and for which ranges, and nothing of a query', async () => {
    const file = await attache.seedAttachment({ name: '一.bin', content: 'twelve bytes' })
    const { url } = await calls.link(file)
    for (const range of ['bytes=0-3', 'bytes=4-'])
      await (await fetch(url, { headers: { range, 'if-match': '"x"' } })).text()
    const path = `/${attache.bucket}/${file.key}`
    const { body } = await dev(`requests?path=${encodeURIComponent(path)}`)
    assert.deepEqual(body['paths'], { [path]: { count: 2, statuses: { 412: 2 }, ranges: ['bytes=0-3', 'bytes=4-'] } })
    assert.equal((body['requests'] as { ifMatch: string }[])[0]?.ifMatch, '"x"')
    assert.equal((await dev('requests')).body['count'], 4)
    assert.ok(!JSON.stringify((await dev('requests')).body).includes('Signature'))
    assert.equal((await dev('requests', 'DELETE')).body['count'], 0)
  })

  it('remove an attachment at once', async () => {
    const file = await attache.seedAttachment({ name: 'a.txt', content: 'x' })
    const { url } = await calls.link(file)
    assert.equal((await fetch(url)).status, 200)
    assert.equal((await dev(`attachments/${file.fileId}`, 'DELETE')).status, 200)
    assert.equal((await fetch(url)).status, 404)
    assert.equal((await dev(`attachments/${file.fileId}`, 'DELETE')).status, 404)
  })

  it('reset faults, clock, log and data, and leave tokens', async () => {
    const token = await calls.token()
    const { flowId, code, attachments } = await attache.seedDocument({ attachments: [{ name: 'a.txt', content: 'x' }] })
    const [file] = attachments
    assert.ok(file)
    const { url } = await calls.link(file)
    await (await fetch(url)).text()
    attache.fault('stall', { times: 'always' })
    attache.clock.advance(60)
    assert.deepEqual((await dev('reset', 'POST')).body, { dataReset: true })
    assert.equal(attache.requests().count, 0)
    assert.ok(Math.abs(attache.clock.now() - Date.now()) < 100)
    assert.equal((await fetch(url)).status, 404)
    const found = await fetch(`${attache.url}${PATHS.document}?accessToken=${token}&flowId=${flowId}`)
    assert.equal(found.status, 412)
    assert.equal((await attache.seedDocument()).code, code)
  })

  it('answer nobody but programs on this machine that mean them', async () => {
    const statusFor = (headers: Record<string, string>) =>
      new Promise<number | undefined>((resolve, reject) => {
        const asked = request(`${attache.url}/dev/reset`, { method: 'POST', headers }, (response) => {
          response.resume()
          resolve(response.statusCode)
        })
        asked.on('error', reject).end()
      })
    assert.equal(await statusFor({}), 200)
    assert.equal(await statusFor({ origin: attache.url }), 200)
    assert.equal(await statusFor({ origin: 'http://evil.example' }), 403)
    assert.equal(await statusFor({ origin: 'null' }), 403)
    assert.equal(await statusFor({ host: 'evil.example' }), 403)
    assert.equal(await statusFor({ 'x-forwarded-for': '127.0.0.1' }), 403)
  })

  it('are not logged, get no hints and meet no faults themselves', async () => {
    attache.fault({ path: '*', status: 500, times: 'always' })
    assert.deepEqual(await hintsOf(fetch(`${attache.url}/dev/clock`)), [])
    assert.equal((await dev('requests')).body['count'], 0)
  })
})
