import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import type { OutgoingHttpHeaders } from 'node:http'
import { after, before, describe, it } from 'node:test'
import { PATHS } from '@attache/protocol'
import sharp from 'sharp'
import { meeting, plainStage } from './plain.fixture.ts'

const { at, bySocket, byRoute, same, logged, toLinks } = await plainStage()
after(() => at[Symbol.asyncDispose]())

const names = ['a.txt', "a b+c%20d&e=f(1)~'!.pdf", '差旅发票😀.png']
const items: { id: string; key: string; bytes: Uint8Array<ArrayBuffer> }[] = []
before(async () => {
  for (const name of names) {
    const bytes = new Uint8Array(randomBytes(300))
    const { fileId: id, key } = await at.upload(name, bytes)
    items.push({ id, key, bytes })
  }
})

function pngOf(width: number, height: number): Promise<Buffer> {
  return sharp({ create: { width, height, channels: 3, background: 'teal' } })
    .png()
    .toBuffer()
}

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

describe('plain requests of a corporation that has rates', () => {
  it('spend nothing where they are refused, and what they ask for only once', async () => {
    const rated = await plainStage({ ATTACHE_QUOTA_REQUESTS_PER_MINUTE: '4', ATTACHE_QUOTA_LINKS_PER_MINUTE: '6' })
    await using at = rated.at
    const { fileId: id, key } = await at.upload('a.txt', Buffer.from('a'))
    const ask = async (links: number) => {
      const refs = Array.from({ length: links }, () => ({ id, key, expiration: 60 }))
      return (await rated.bySocket(rated.toLinks(refs))).status
    }
    const statuses = async (...counts: number[]) => {
      const found: number[] = []
      for (const links of counts) found.push(await ask(links))
      return found
    }
    at.clock.now += 60_000
    assert.deepEqual(await statuses(1, 1, 1, 1, 1, 1, 1, 1, 1, 1), [200, 200, 200, 200, 429, 429, 429, 429, 429, 429])
    at.clock.now += 15_000
    assert.equal(await ask(3), 200, 'calls that were refused took no links')
    at.clock.now += 60_000
    assert.deepEqual(await statuses(6, 1, 0, 0, 0), [200, 429, 200, 200, 429])
  })
})
