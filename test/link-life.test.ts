import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { askLinks, bytesOf, type Link, startAttache, statusOf } from './server.ts'

const TEN_YEARS = 10 * 366 * 86_400

const attache = await startAttache()
after(() => attache.stop())
const bytes = Buffer.from('一份附件')
const file = await attache.upload('附件.txt', bytes)
const lasting = await linkWithPlus()

test('ends a link of one second within two, and never before its second is over', async () => {
  const asked = Date.now()
  const [link] = await attache.links([{ id: file.fileId, key: file.key, expiration: 1 }])
  assert.ok(link)
  const end = expiresOf(link.url) * 1000
  assert.ok(end >= asked + 1000 && end <= Date.now() + 2000, `asked at ${asked}, ends at ${end}`)
  const now = await fetch(link.url)
  assert.equal(now.status, 200)
  assert.ok(bytes.equals(await bytesOf(now)))
  await pause(end - 100 - Date.now())
  const status = await statusOf(link.url)
  assert.ok(status === 200 || Date.now() > end, `${status} before its end`)
  await pause(end + 50 - Date.now())
  for (const url of [link.url, link.thumbUrl]) {
    const late = await fetch(url)
    const xml = await late.text()
    assert.equal(late.status, 403, xml)
    assert.match(late.headers.get('content-type') ?? '', /^application\/xml/)
    assert.ok(xml.includes('<Code>AccessDenied</Code>') && xml.includes('<Message>Request has expired.</Message>'), xml)
  }
})

test('gives links of ten years, whose Expires says so', async () => {
  const [link] = await attache.links([{ id: file.fileId, key: file.key, expiration: TEN_YEARS }])
  assert.ok(link)
  const expires = expiresOf(link.url)
  assert.ok(Math.abs(expires - Date.now() / 1000 - TEN_YEARS) < 5, String(expires))
  assert.equal(await statusOf(link.url), 200)
})

test('lets each item of a request have its own expiration', async () => {
  const links = await attache.links([7, 700_000].map((expiration) => ({ id: file.fileId, key: file.key, expiration })))
  const [short = 0, long = 0] = links.map(({ url }) => expiresOf(url))
  assert.equal(long - short, 700_000 - 7)
})

// JSON.stringify can't write what JSON can: 1e400 reads as Infinity.
const NO_EXPIRATIONS = ['0', '-1', '1.5', '"x"', '"1000"', '1e400', 'null', 'true', '[1]', '9007199254740993']

for (const written of NO_EXPIRATIONS) {
  test(`refuses an expiration of ${written} and names the item`, async () => {
    const good = JSON.stringify({ id: file.fileId, key: file.key, expiration: 60 })
    const bad = good.replace('60}', `${written}}`)
    const response = await fetch(`${attache.url}/api/openapi/v2/attachment/downloadurls?accessToken=${await token}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: `[${good},${bad}]`,
    })
    await refused(response, '[1].expiration')
  })
}

const token = attache.token()
const NO_ITEMS: [string, unknown, string][] = [
  ['a number', 3, '[1]'],
  ['null', null, '[1]'],
  ['an item without an id', { key: file.key, expiration: 1 }, '[1].id'],
  ['an empty id', { id: '', key: file.key, expiration: 1 }, '[1].id'],
  ['a numeric key', { id: file.fileId, key: 7, expiration: 1 }, '[1].key'],
  ['an item without an expiration', { id: file.fileId, key: file.key }, '[1].expiration'],
]

for (const [what, item, path] of NO_ITEMS) {
  test(`refuses ${what} and names it`, async () => {
    const good = { id: file.fileId, key: file.key, expiration: 60 }
    await refused(await askLinks(attache.url, await token, [good, item]), path)
  })
}

test('lists every wrong field of a request', async () => {
  const response = await askLinks(attache.url, await token, [{ id: 1, key: 2, expiration: 3 }, 4])
  const { errorDetails } = (await response.json()) as { errorDetails: { path: string }[] }
  assert.deepEqual(
    errorDetails.map(({ path }) => path),
    ['[0].id', '[0].key', '[1]'],
  )
})

const TAMPERED: [string, (link: Link) => string, number][] = [
  ['answers 403 to another width in thumbUrl', ({ thumbUrl }) => thumbUrl.replace('w_120', 'w_121'), 403],
  ['answers 403 to a later Expires', ({ url }) => url.replace(/Expires=\d/, 'Expires=9'), 403],
  ['answers 403 to another key', ({ url }) => url.replace('.txt?', '.tx?'), 403],
  ['answers 403 when the token is dropped', ({ url }) => url.replace(/&security-token=[^&]*/, ''), 403],
  ['answers 403 when the token is changed', ({ url }) => url.replace('security-token=A', 'security-token=B'), 403],
  ['answers 403 when the signature is dropped', ({ url }) => url.replace(/&Signature=[^&]*/, ''), 403],
  ['answers 403 when a process is added', ({ url }) => `${url}&x-oss-process=image%2Finfo`, 403],
  ['answers 403 when a signed override is added', ({ url }) => `${url}&response-content-type=text%2Fhtml`, 403],
  ['answers 403 without any signature', ({ url }) => url.slice(0, url.indexOf('?')), 403],
  ['passes over a parameter that somebody added', ({ url }) => `${url}&utm=x`, 200],
  ['accepts parameters in any order', ({ url }) => reversed(url), 200],
  ['takes the first of a repeated parameter', ({ url }) => `${url}&Expires=1&Signature=no`, 200],
  ['reads a bare + in a signature as it was meant', ({ url }) => url.replaceAll('%2B', '+'), 200],
]

for (const [sentence, change, status] of TAMPERED) {
  test(sentence, async () => {
    const changed = change(lasting)
    assert.ok(changed !== lasting.url && changed !== lasting.thumbUrl)
    const response = await fetch(changed)
    assert.equal(response.status, status, await response.clone().text())
    const body = await bytesOf(response)
    assert.equal(body.equals(bytes), status === 200)
    if (status !== 200) assert.match(body.toString(), /^<\?xml [\s\S]*<Code>\w+<\/Code>/)
  })
}

test('tells a wrong signature the same whether the key exists or not', async () => {
  const wrong = lasting.url.replace(/Signature=[^&]*/, 'Signature=AAAA')
  const codes = [wrong, wrong.replace('.txt?', '.none?')].map(async (url) =>
    /<Code>(\w+)<\/Code>/.exec(await (await fetch(url)).text())?.at(1),
  )
  assert.deepEqual(await Promise.all(codes), ['SignatureDoesNotMatch', 'SignatureDoesNotMatch'])
})

/** A signature is base64: about one link in two has a `+` in it. */
async function linkWithPlus(): Promise<Link> {
  const expirations = Array.from({ length: 64 }, (_, index) => 1000 + index)
  const links = await attache.links(expirations.map((expiration) => ({ id: file.fileId, key: file.key, expiration })))
  const found = links.find(({ url }) => /Signature=[^&]*%2B/.test(url))
  assert.ok(found)
  return found
}

function expiresOf(url: string): number {
  return Number(/[?&]Expires=(\d+)/.exec(url)?.[1])
}

function reversed(url: string): string {
  const [path = '', query = ''] = url.split('?')
  return `${path}?${query.split('&').reverse().join('&')}`
}

async function refused(response: Response, path: string): Promise<void> {
  const body = (await response.json()) as { errorCode: number; errorMessage: string; errorDetails: { path: string }[] }
  assert.equal(response.status, 400, JSON.stringify(body))
  assert.equal(body.errorCode, 400)
  assert.ok(body.errorMessage.startsWith(path), body.errorMessage)
  assert.deepEqual(
    body.errorDetails.map((detail) => detail.path),
    [path],
  )
}
