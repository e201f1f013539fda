import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { subscribe } from 'node:diagnostics_channel'
import { request as ask, type IncomingHttpHeaders, type OutgoingHttpHeaders } from 'node:http'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { buffer } from 'node:stream/consumers'
import { after, before, describe, it } from 'node:test'
import { PATHS } from '@attache/protocol'
import sharp from 'sharp'
import { createApp } from '../commands/app.ts'
import { type TestService, testService } from '../service.fixture.ts'

interface Asked {
  method: 'GET' | 'POST'
  url: string
  headers?: OutgoingHttpHeaders
  body?: string
}

interface Answer {
  status: number
  headers: IncomingHttpHeaders
  body: Buffer
}

let at: TestService
let base: string
const names = ['a.txt', "a b+c%20d&e=f(1)~'!.pdf", '差旅发票😀.png']
const items: { id: string; key: string; bytes: Uint8Array<ArrayBuffer> }[] = []

before(async () => {
  at = await testService({ ATTACHE_PORT: '0' })
  base = (await at.service.listen()) && `http://127.0.0.1:${portOf(at)}`
  for (const name of names) {
    const bytes = new Uint8Array(randomBytes(300))
    const { fileId: id, key } = await at.upload(name, bytes)
    items.push({ id, key, bytes })
  }
})
after(() => at[Symbol.asyncDispose]())

function portOf({ service }: TestService): number {
  const address = service.app.server.address()
  return typeof address === 'object' && address !== null ? address.port : 0
}

let met = 0
subscribe('tracing:fastify.request.handler:start', () => met++)

/** How many requests meet the frame's handler meanwhile. */
async function meeting(work: () => Promise<unknown>): Promise<number> {
  const before = met
  await work()
  return met - before
}

/** Over a socket, where what is plain is answered before the frame. */
function bySocket({ method, url, headers = {}, body }: Asked): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const request = ask(base + url, { method, headers: { host: 'attache.test', ...headers } }, async (response) => {
      resolve({ status: response.statusCode ?? 0, headers: response.headers, body: await buffer(response) })
    })
    request.on('error', reject)
    request.end(body)
  })
}

/** Through the frame alone. */
async function byRoute({ method, url, headers = {}, body }: Asked): Promise<Answer> {
  const {
    statusCode,
    headers: found,
    rawPayload,
  } = await at.ask({
    method,
    url,
    headers: { host: 'attache.test', ...headers } as Record<string, string>,
    ...(body === undefined ? {} : { payload: body }),
  })
  return { status: statusCode, headers: found as IncomingHttpHeaders, body: rawPayload }
}

function pngOf(width: number, height: number): Promise<Buffer> {
  return sharp({ create: { width, height, channels: 3, background: 'teal' } })
    .png()
    .toBuffer()
}

const OF_A_REQUEST = ['date', 'connection', 'keep-alive', 'x-request-id', 'x-oss-request-id', 'transfer-encoding']

function withoutIds({ status, headers, body }: Answer) {
  const rest = Object.entries(headers).filter(([name]) => !OF_A_REQUEST.includes(name))
  const text = body.toString('latin1').replace(/[0-9A-F]{24}/g, 'ID')
  return { status, headers: Object.fromEntries(rest.toSorted(([a], [b]) => (a < b ? -1 : 1))), text }
}

async function same(asked: Asked): Promise<Answer> {
  const [socket, route] = [await bySocket(asked), await byRoute(asked)]
  assert.deepEqual(withoutIds(socket), withoutIds(route), `${asked.method} ${asked.url}`)
  return socket
}

/** The lines of these requests, in this order; they come once an answer has left, which its reader may know before. */
async function logged(ids: readonly unknown[]) {
  for (let left = 500; left > 0; left--) {
    const found = ids.map((id) => lines().find(({ reqId }) => reqId === id))
    if (!found.includes(undefined)) return found
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
  throw new Error('a request was not logged')
}

const lines = () => at.log.map((line) => JSON.parse(line)).filter(({ msg }) => msg === 'request')
const toLinks = (body: unknown, token = at.token): Asked => ({
  method: 'POST',
  url: `${PATHS.downloadUrls}?accessToken=${token}`,
  headers: { 'content-type': 'application/json' },
  body: typeof body === 'string' ? body : JSON.stringify(body),
})

const toToken = (body: unknown): Asked => ({
  method: 'POST',
  url: PATHS.getAccessToken,
  headers: { 'content-type': 'application/json' },
  body: typeof body === 'string' ? body : JSON.stringify(body),
})

describe('plain requests', () => {
  it('for links are answered as the route answers them', async () => {
    const asked = items.map(({ id, key }) => ({ id, key, expiration: 1000 }))
    for (const body of [
      asked.slice(0, 1),
      asked,
      [...asked, ...asked],
      [],
      asked.map((one) => ({ ...one, expiration: 1 })),
    ]) {
      const { status, body: text } = await same(toLinks(body))
      assert.equal(status, 200)
      assert.deepEqual(
        JSON.parse(text.toString()).map(({ id }: { id: string }) => id),
        body.map(({ id }) => id),
      )
    }
  })

  it('for links stand aside where the body is in any way particular', async () => {
    const [one] = items.map(({ id, key }) => ({ id, key, expiration: 1000 }))
    const text = JSON.stringify([one])
    const particular = [
      toLinks([one, { ...one, id: 'unknown' }]),
      toLinks([{ ...one, more: 1 }]),
      toLinks(text.replace('{', '{"__proto__":{},')),
      toLinks([{ ...one, expiration: 0 }]),
      toLinks([{ ...one, expiration: '1000' }]),
      toLinks(text.slice(0, -1)),
      toLinks('null'),
      toLinks([one], 'wrong'),
      toLinks([one], `${at.token}&accessToken=x`),
      { ...toLinks([one]), headers: { 'content-type': 'text/plain' } },
      { ...toLinks([one]), headers: { 'content-type': 'application/json; charset=gbk' } },
      {
        ...toLinks([one]),
        url: `${PATHS.downloadUrls}`,
        headers: { 'content-type': 'application/json', authorization: `Bearer ${at.token}` },
      },
    ]
    for (const asked of particular) await same(asked)
  })

  it('for a token are answered as the route answers them, and the tokens work', async () => {
    const body = JSON.stringify({ appKey: at.app.appKey, appSecurity: at.app.appSecurity })
    const asked = toToken(body)
    const answers: Answer[] = []
    assert.equal(await meeting(async () => answers.push(await bySocket(asked))), 0)
    answers.push(await byRoute(asked))
    const [socket, route] = answers.map(({ headers, ...rest }) => ({ ...withoutIds({ headers, ...rest }), text: '' }))
    assert.deepEqual(socket, route)
    const found = answers.map((answer) => JSON.parse(answer.body.toString()).value)
    assert.deepEqual(Object.keys(found[0]), Object.keys(found[1]))
    assert.deepEqual(
      found.map(({ expireTime, corporationId }) => [expireTime, corporationId]),
      found.map(() => [found[1].expireTime, 'corporation']),
    )
    assert.equal(new Set(found.flatMap(({ accessToken, refreshToken }) => [accessToken, refreshToken])).size, 4)
    for (const { accessToken } of found) assert.equal((await same(toLinks([], accessToken))).status, 200)
  })

  it('for a token stand aside where the body is in any way particular, or wrong', async () => {
    const { appKey, appSecurity } = at.app
    const right = JSON.stringify({ appKey, appSecurity })
    const particular = [
      { appKey, appSecurity: `${appSecurity}x` },
      { appKey: 'unknown', appSecurity },
      { appKey: 1, appSecurity },
      { appKey },
      [],
      right.slice(0, -1),
      right.replace('{', '{"__proto__":{},'),
    ]
    for (const body of particular) assert.ok((await same(toToken(body))).status >= 400)
    const forwarded = { ...toToken(right), headers: { ...toToken(right).headers, 'x-forwarded-for': '10.0.0.1' } }
    for (const asked of [{ ...toToken(right), url: `${PATHS.getAccessToken}?x=1` }, forwarded]) {
      assert.equal(await meeting(() => bySocket(asked)), 1)
    }
  })

  it('for a token that can not be kept are answered by the route', async () => {
    using database = new DatabaseSync(join(at.data, 'records.sqlite'))
    database.exec("create trigger refusing before insert on access_tokens begin select raise(abort, 'refused'); end")
    const asked = toToken({ appKey: at.app.appKey, appSecurity: at.app.appSecurity })
    const found: number[] = []
    assert.equal(await meeting(async () => found.push((await same(asked)).status)), 2)
    database.exec('drop trigger refusing')
    assert.equal(await meeting(async () => found.push((await bySocket(asked)).status)), 0)
    assert.deepEqual(found, [500, 200])
  })

  it('for a token are logged also where the caller has left before it was written', async () => {
    const { appKey, appSecurity } = at.app
    const body = JSON.stringify({ appKey, appSecurity })
    await logged([(await bySocket(toToken(body))).headers['x-request-id']])
    const ofTokens = () => lines().filter(({ path }) => path === PATHS.getAccessToken).length
    const before = ofTokens()
    using database = new DatabaseSync(join(at.data, 'records.sqlite'))
    // The write waits for this one, and meanwhile the caller goes.
    database.exec('begin immediate')
    const options = { method: 'POST', headers: { 'content-type': 'application/json', host: 'attache.test' } }
    const request = ask(base + PATHS.getAccessToken, options)
    request.on('error', () => {})
    request.end(body)
    for (let turn = 0; turn < 200; turn++) await new Promise(setImmediate)
    request.destroy()
    for (let turn = 0; turn < 200; turn++) await new Promise(setImmediate)
    database.exec('rollback')
    for (let left = 500; ofTokens() === before && left > 0; left--) {
      await new Promise((resolve) => setTimeout(resolve, 10))
    }
    assert.equal(ofTokens(), before + 1)
  })

  it('for a token meet the frame once the app is disabled', async () => {
    const app = await createApp(at.service.stores, { corporationId: 'other', corporationName: '乙', demo: false })
    const asked = toToken({ appKey: app.appKey, appSecurity: app.appSecurity })
    assert.equal(await meeting(() => bySocket(asked)), 1)
    assert.equal(await meeting(() => bySocket(asked)), 0)
    await at.service.stores.records.apps.disable(app.appKey, at.clock.now)
    let status = 200
    for (const deadline = Date.now() + 5000; status === 200 && Date.now() < deadline; ) {
      status = (await bySocket(asked)).status
    }
    assert.equal(status, 403)
  })

  it('for an attachment are answered as the route answers them', async () => {
    for (const { id: fileId, key, bytes } of items) {
      const { url } = await at.link({ fileId, key })
      assert.deepEqual((await same({ method: 'GET', url })).body, Buffer.from(bytes))
      assert.deepEqual((await same({ method: 'GET', url })).body, Buffer.from(bytes))
    }
  })

  it('for a range are answered as the route answers them, also out of the middle of a large attachment', async () => {
    const bytes = new Uint8Array(randomBytes(200_000))
    const { fileId, key } = await at.upload('large.bin', bytes)
    const { url } = await at.link({ fileId, key })
    const get = (range: string) => ({ method: 'GET', url, headers: { range } }) as const
    for (const [first, last] of [
      [0, 0],
      [5, 104],
      [65_536, 65_635],
      [131_071, 131_071],
      [199_999, 199_999],
    ] as const) {
      await bySocket(get(`bytes=${first}-${last}`))
      assert.equal(await meeting(() => bySocket(get(`bytes=${first}-${last}`))), 0)
      const { status, body } = await same(get(`bytes=${first}-${last}`))
      assert.deepEqual([status, body], [206, Buffer.from(bytes.subarray(first, last + 1))])
    }
    for (const range of [
      'bytes=65500-65600',
      'bytes=0-199999',
      'bytes=199999-200000',
      'bytes=9-1',
      'bytes=-5',
      'bytes=5-',
      'bytes=0-1,3-4',
    ]) {
      assert.ok([200, 206].includes((await same(get(range))).status), range)
    }
    await same({ ...get('bytes=0-3'), url: url.replace('Signature=', 'Signature=A') })
  })

  it('for a thumbnail are answered as the route answers them', async () => {
    const { fileId, key } = await at.upload('photo.png', new Uint8Array(await pngOf(300, 200)))
    const get = { method: 'GET', url: (await at.link({ fileId, key })).thumbUrl } as const
    assert.equal(await meeting(() => bySocket(get)), 1)
    assert.equal(await meeting(() => bySocket(get)), 0)
    const { status, headers } = await same(get)
    assert.deepEqual([status, headers['content-type']], [200, 'image/png'])
    await same({ ...get, url: get.url.replace('w_120', 'w_121') })
  })

  it('for an attachment stand aside where the link, a header or the time is in any way particular', async () => {
    const [{ id: fileId, key } = { id: '', key: '' }] = items
    const { url, thumbUrl } = await at.link({ fileId, key })
    const signature = /Signature=([^&]+)/.exec(url)?.[1] ?? ''
    const urls = [
      thumbUrl,
      `${url}&utm=x`,
      url.replace(/(\?)(Expires=\d+)&(.*)/, '$1$3&$2'),
      url.replace(
        signature,
        signature.replace(/^./, (c) => (c === 'A' ? 'B' : 'A')),
      ),
      url.replace(/security-token=.*/, ''),
      url.replace(/Expires=\d+/, 'Expires=1'),
      url.replace('.txt', '.tx%74'),
      url.replace('.txt', '.tx+'),
      url.replace('.txt', '%ff'),
    ]
    for (const one of urls) await same({ method: 'GET', url: one })
    const headers: OutgoingHttpHeaders[] = [
      { range: 'bytes=1-3' },
      { 'if-none-match': '*' },
      { 'if-modified-since': new Date(at.clock.now + 1000).toUTCString() },
      { 'x-oss-range-behavior': 'standard', range: 'bytes=1-9999' },
      { authorization: 'OSS a:b' },
      { 'content-type': 'text/plain' },
    ]
    for (const one of headers) await same({ method: 'GET', url, headers: one })
    at.clock.now += 1_001_000
    assert.equal((await same({ method: 'GET', url })).status, 403)
  })

  it('do not meet the frame once what they ask for is in memory, and meet it again once it is gone', async () => {
    const { fileId, key } = await at.upload('short.txt', new Uint8Array(10))
    const get = { method: 'GET', url: (await at.link({ fileId, key })).url } as const
    const links = toLinks([{ id: fileId, key, expiration: 7 }])
    assert.equal(await meeting(() => bySocket(get)), 1)
    assert.equal(await meeting(() => Promise.all([get, links, get, links].map(bySocket))), 0)
    await at.service.stores.records.links.raiseEpoch('corporation', at.clock.now)
    await at.service.credentials.reload()
    const outcomes = await Promise.all([get, links].map(bySocket))
    assert.deepEqual(
      outcomes.map(({ status }) => status),
      [403, 200],
    )
    assert.ok(JSON.parse(String(outcomes[1]?.body))[0].url !== `http://attache.test${get.url}`)
  })

  it('are logged as the others are, and without a secret', async () => {
    const [{ id, key } = { id: '', key: '' }] = items
    const { url } = await at.link({ fileId: id, key })
    const asked = toLinks([{ id, key, expiration: 1 }])
    const ids: unknown[] = []
    for (const one of [{ method: 'GET', url } as const, asked]) {
      for (const send of [bySocket, byRoute]) ids.push((await send(one)).headers['x-request-id'])
    }
    const found = await logged(ids)
    const shape = found.map(({ level, method, path, status }) => ({ level, method, path, status }))
    assert.deepEqual(shape[0], shape[1])
    assert.deepEqual(shape[2], shape[3])
    assert.deepEqual(Object.keys(found[0]), Object.keys(found[1]))
    assert.ok(!at.log.join('').includes(at.token))
  })
})
