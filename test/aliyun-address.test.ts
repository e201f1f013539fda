/** Addresses in OSS: where they lead, what they change, and that they die at their second. */
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { after, test } from 'node:test'
import { startAttache } from '../packages/server/src/dev/testing.ts'
import { chunked, newId, storeOn } from './aliyun-store.ts'
import { bytesOf, statusOf } from './server.ts'

const attache = await startAttache()
after(() => attache.close())
const open = storeOn(attache)
const { endpoint, bucket } = attache.store
const bytes = randomBytes(1000)
const SEVEN_DAYS = 604_800
const TEN_YEARS = 315_360_000
const nowSeconds = () => Math.floor(attache.clock.now() / 1000)
const get = (expiresAt: number) => ({ method: 'GET', expiresAt, headers: {} }) as const

for (const signature of ['v4', 'v1'] as const) {
  for (const role of [false, true]) {
    const how = `${signature}, ${role ? 'through STS' : 'permanent pair'}`

    test(`an address works to its last second and not after (${how})`, async () => {
      await using store = await open({ signature, role })
      const id = newId()
      await store.put(id, chunked(bytes))
      const expiresAt = nowSeconds() + 600
      const address = (await store.address?.(id, get(expiresAt))) ?? ''
      const head = (await store.address?.(id, { ...get(expiresAt), method: 'HEAD' })) ?? ''
      attache.clock.set(expiresAt * 1000 - 900)
      const answer = await fetch(address)
      assert.equal(answer.status, 200, await answer.clone().text())
      assert.ok(bytes.equals(await bytesOf(answer)))
      assert.equal(await statusOf(head, { method: 'HEAD' }), 200)
      assert.equal(await statusOf(address, { method: 'HEAD' }), 403)
      attache.clock.set(expiresAt * 1000 + 1)
      const dead = await fetch(address)
      assert.match(await dead.text(), /Request has expired\./)
      assert.equal(dead.status, 403)
      attache.clock.reset()
    })

    test(`an address has its headers and its process signed (${how})`, async () => {
      await using store = await open({ signature, role })
      const id = newId()
      await store.put(id, chunked(bytes))
      const headers = {
        'content-type': 'application/pdf',
        'content-disposition': "attachment; filename*=UTF-8''%E5%8F%91%E7%A5%A8.pdf",
        'cache-control': 'private, max-age=60',
      }
      const address = (await store.address?.(id, { ...get(nowSeconds() + 60), headers })) ?? ''
      const answer = await fetch(address)
      for (const [name, value] of Object.entries(headers)) assert.equal(answer.headers.get(name), value)
      await answer.arrayBuffer()
      assert.equal(await statusOf(address.replace('max-age', 'max-ages')), 403)
      const process = 'image/resize,w_120,h_120'
      const processed = (await store.address?.(id, { ...get(nowSeconds() + 60), process })) ?? ''
      assert.equal(new URL(processed).searchParams.get('x-oss-process'), process)
      // Its signature is right; that store draws no pictures.
      assert.match(await (await fetch(processed)).text(), /<Code>NotImplemented<[\s\S]*<ArgumentName>x-oss-process</)
      assert.equal(await statusOf(processed.replace('w_120', 'w_121')), 403)
    })
  }
}

test('V4 lives seven days, V1 as long as was asked, and nothing that is over', async () => {
  await using v4 = await open({ signature: 'v4' })
  await using v1 = await open({ signature: 'v1' })
  const id = newId()
  attache.clock.set(Date.UTC(2030, 0, 1) + 900)
  const lives = async (store: typeof v4, seconds: number) => {
    const address = await store.address?.(id, get(nowSeconds() + seconds))
    return address !== undefined && new URL(address).searchParams
  }
  for (const [store, seconds] of [
    [v4, SEVEN_DAYS + 1],
    [v4, 0],
    [v1, 0],
    [v1, -1],
    [v1, 0.5],
    [v1, Number.NaN],
    [v1, Number.POSITIVE_INFINITY],
  ] as const) {
    assert.equal(await lives(store, seconds), false, String(seconds))
  }
  const week = await lives(v4, SEVEN_DAYS)
  assert.ok(week && week.get('x-oss-expires') === String(SEVEN_DAYS))
  const long = await lives(v1, TEN_YEARS)
  assert.ok(long && long.get('Expires') === String(Date.UTC(2030, 0, 1) / 1000 + TEN_YEARS))
  attache.clock.reset()
})

test('an address through STS is not given beyond the death of its credential', async () => {
  for (const signature of ['v4', 'v1'] as const) {
    attache.clock.set(Date.UTC(2030, 0, 1) + 100)
    await using store = await open({ signature, role: true })
    const id = newId()
    await store.put(id, chunked(bytes))
    const death = Date.UTC(2030, 0, 1) / 1000 + 900
    assert.equal(await store.address?.(id, get(death + 1)), undefined)
    const address = (await store.address?.(id, get(death))) ?? ''
    attache.clock.set(death * 1000 - 900)
    assert.equal(await statusOf(address), 200)
    attache.clock.set(death * 1000 + 1)
    assert.equal(await statusOf(address), 403)
    // The driver itself goes on with another one.
    assert.ok(await store.read(id, { first: 0, last: 9 }))
    assert.ok(await store.address?.(id, get(death + 899)))
    attache.clock.reset()
  }
})

test('an address is not given where OSS could not answer as asked', async () => {
  await using store = await open()
  const at = get(nowSeconds() + 60)
  for (const headers of [
    { 'x-frame-options': 'DENY' },
    { 'content-disposition': '发票' },
    { 'content-type': 'a\r\nb' },
  ]) {
    assert.equal(await store.address?.(newId(), { ...at, headers }), undefined)
  }
  assert.equal(await store.address?.(newId(), { ...at, method: 'HEAD', process: 'image/info' }), undefined)
})

test('addresses lead to the public endpoint, in the style that it has', async () => {
  for (const [options, start] of [
    [{ publicEndpoint: undefined, style: 'virtual' }, 'https://attache-store.oss-cn-hangzhou.aliyuncs.com/'],
    [{ publicEndpoint: 'https://oss.example.com', publicStyle: 'virtual' }, 'https://attache-store.oss.example.com/'],
    [{ publicEndpoint: 'https://files.example.com:8443', publicStyle: 'domain' }, 'https://files.example.com:8443/'],
    [{ publicEndpoint: 'http://127.0.0.1:9', publicStyle: 'path' }, `http://127.0.0.1:9/${bucket}/`],
  ] as const) {
    for (const signature of ['v4', 'v1'] as const) {
      // The service's own requests keep to its endpoint in path style.
      await using store = await open({
        prefix: '发 a/',
        signature,
        ...options,
        style: 'path',
        publicStyle: options.publicStyle ?? options.style,
      })
      const id = newId()
      await store.put(id, chunked(bytes))
      const address = (await store.address?.(id, get(nowSeconds() + 60))) ?? ''
      assert.ok(address.startsWith(`${start}%E5%8F%91%20a/${id}?`), address)
      // A signature covers bucket and key, not how a URL names them.
      assert.equal(await statusOf(address.replace(start, `${endpoint}/${bucket}/`)), 200)
    }
  }
})
