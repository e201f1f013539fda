import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { BYTES, LINKS, someBytes, stage, TOKEN, UPLOAD } from './client.fixture.ts'
import { isAttacheError, isNotFound } from './errors.ts'

describe('a client', () => {
  it('uploads, asks for links and downloads', async () => {
    await using on = await stage()
    const bytes = someBytes(100_000)
    const uploaded = await on.client.upload(bytes, { name: '发票 50%+~&"1".pdf'.replaceAll('"', '') })
    assert.deepEqual(
      { ...uploaded, key: '', fileId: '' },
      { key: '', fileId: '', fileName: '发票 50%+~&1.pdf', empty: false },
    )
    const { links, missing } = await on.client.downloadUrls([uploaded])
    assert.equal(links.length, 1)
    assert.deepEqual(missing, [])
    const download = await on.client.download(uploaded)
    assert.equal(download.size, bytes.length)
    assert.deepEqual(await download.bytes(), bytes)
  })

  it('passes a link on exactly as it came', async () => {
    await using on = await stage()
    const uploaded = await on.client.upload(someBytes(10), { name: "a b+c%2F(é)'!~ü&=;,.txt" })
    const [link] = (await on.client.downloadUrls([uploaded])).links
    assert.ok(link)
    await (await on.client.download(link)).bytes()
    assert.equal(on.proxy.passed.find(({ target }) => BYTES.test(target))?.target, link.url.slice(on.proxy.url.length))
    assert.equal(on.proxy.count(LINKS), 1)
  })

  it('asks for one token when fifty calls begin at once, and for another when nine tenths of its life are over', async () => {
    await using on = await stage()
    const fifty = () => Promise.all(Array.from({ length: 50 }, () => on.client.downloadUrls([{ id: 'a', key: 'b' }])))
    await fifty()
    assert.equal(on.proxy.count(TOKEN), 1)
    assert.equal(on.proxy.count(LINKS), 50)
    on.service.clock.now += 7200_000 * 0.89
    await fifty()
    assert.equal(on.proxy.count(TOKEN), 1)
    on.service.clock.now += 7200_000 * 0.02
    await fifty()
    assert.equal(on.proxy.count(TOKEN), 2)
  })

  it('takes one new token for fifty calls whose token was refused', async () => {
    await using on = await stage({ clock: { now: () => 0, sleep: async () => {} } })
    await on.client.token()
    on.service.clock.now += 7_300_000
    const answers = await Promise.all(Array.from({ length: 50 }, () => on.client.downloadUrls([{ id: 'a', key: 'b' }])))
    assert.equal(answers.length, 50)
    assert.equal(on.proxy.count(TOKEN), 2)
    assert.ok(on.proxy.count(LINKS) > 50)
  })

  it('goes on with the old token while a new one can not be had', async () => {
    await using on = await stage({ retry: { tries: 1 } })
    await on.client.token()
    on.service.clock.now += 7200_000 * 0.95
    on.proxy.next(TOKEN, { answer: { status: 503, body: 'down' } })
    await on.client.downloadUrls([{ id: 'a', key: 'b' }])
    on.service.clock.now += 7200_000 * 0.06
    on.proxy.next(TOKEN, { answer: { status: 503, body: 'down' } })
    await assert.rejects(on.client.downloadUrls([{ id: 'a', key: 'b' }]), { kind: 'unavailable', operation: 'token' })
  })

  it('gives 25,000 links in input order, and names the three that are missing', async () => {
    await using on = await stage()
    const known = await Promise.all(
      Array.from({ length: 5 }, (_, index) => on.client.upload(someBytes(1), { name: `${index}.txt` })),
    )
    const unknown = new Map([
      [0, { id: 'nobody', key: 'no-key' }],
      [12_345, { id: known[0]?.fileId ?? '', key: known[1]?.key ?? '' }],
      [24_999, { id: 'nobody', key: 'no-key-2' }],
    ])
    const refs = Array.from({ length: 25_000 }, (_, index) => {
      const { key, fileId } = known[index % 5] ?? { key: '', fileId: '' }
      return unknown.get(index) ?? { id: fileId, key }
    })
    const { links, missing } = await on.client.downloadUrls(refs)
    assert.deepEqual(missing, [...unknown.values()])
    assert.deepEqual(
      links.map(({ id, key }) => ({ id, key })),
      refs.filter((_, index) => !unknown.has(index)),
    )
    assert.equal(on.proxy.count(LINKS), 25)
  })

  it('learns the cap that the server names, once', async () => {
    await using on = await stage({ env: { ATTACHE_DOWNLOAD_LIMITS: 'revised' } })
    const refs = Array.from({ length: 1000 }, (_, index) => ({ id: 'a', key: `b${index}` }))
    const { missing } = await on.client.downloadUrls(refs)
    assert.equal(missing.length, 1000)
    assert.equal(on.proxy.count(LINKS), 11)
    await on.client.downloadUrls(refs)
    assert.equal(on.proxy.count(LINKS), 21)
  })

  it('learns it from plain text, and halves what is only said to be too large', async () => {
    await using on = await stage()
    on.proxy.next(LINKS, { answer: { status: 400, body: 'too many items, at most 500 (see manual 7)' } })
    await on.client.downloadUrls(Array.from({ length: 1000 }, (_, index) => ({ id: 'a', key: `b${index}` })))
    assert.equal(on.proxy.count(LINKS), 3)
    on.proxy.next(LINKS, { answer: { status: 413, body: '<html><title>413 Request Entity Too Large</title></html>' } })
    await on.client.downloadUrls(Array.from({ length: 500 }, (_, index) => ({ id: 'a', key: `b${index}` })))
    assert.equal(on.proxy.count(LINKS), 6)
  })

  it('does not take a wrong element for a cap', async () => {
    await using on = await stage()
    const refs = Array.from({ length: 20 }, () => ({ id: 'a', key: 'b' }))
    await assert.rejects(on.client.downloadUrls(refs, { expiration: 0.5 }), (error) => {
      assert.ok(isAttacheError(error) && error.kind === 'invalid')
      assert.equal(error.details?.[0]?.path, '[0].expiration')
      return true
    })
    assert.equal(on.proxy.count(LINKS), 1)
  })

  it('tells how far an upload is', async () => {
    await using on = await stage()
    const seen: number[] = []
    const bytes = someBytes(1_000_000)
    const uploaded = await on.client.upload(bytes, {
      name: 'a.bin',
      onProgress: (sent) => seen.push(sent.bytes / sent.total),
    })
    assert.equal(seen.at(-1), 1)
    assert.ok(seen.length > 3)
    assert.deepEqual(await (await on.client.download(uploaded)).bytes(), bytes)
  })

  it('sends an upload again when it was refused, and not when it may have been stored', async () => {
    await using on = await stage()
    on.proxy.next(UPLOAD, { answer: { status: 503, headers: { 'retry-after': '7' }, body: 'busy' } })
    const uploaded = await on.client.upload(someBytes(1000), { name: 'a.bin' })
    assert.ok(uploaded.fileId)
    assert.equal(on.proxy.count(UPLOAD), 2)
    assert.ok((on.pauses[0] ?? 0) >= 7000)
    on.proxy.next(UPLOAD, { answer: { status: 503, body: 'busy' } }, { noAnswer: true })
    await assert.rejects(on.client.upload(someBytes(1000), { name: 'a.bin' }), { kind: 'unavailable', status: 503 })
    await assert.rejects(on.client.upload(someBytes(1000), { name: 'a.bin' }), { kind: 'network' })
    assert.equal(on.proxy.count(UPLOAD), 4)
  })

  it('sends what is beyond a quota once, and keeps its token', async () => {
    await using on = await stage({ env: { ATTACHE_QUOTA_BYTES: '1000' } })
    await assert.rejects(on.client.upload(someBytes(1001), { name: 'a.bin' }), {
      kind: 'not-allowed',
      status: 403,
      message: /已达配额上限.*; ask the operator of the server/,
    })
    assert.ok((await on.client.upload(someBytes(1000), { name: 'b.bin' })).fileId)
    assert.deepEqual([on.proxy.count(UPLOAD), on.proxy.count(TOKEN)], [2, 1])
  })

  it('sends an upload again when no connection came about', async () => {
    await using on = await stage()
    await on.client.token()
    let calls = 0
    const client = on.another({
      fetch(url, init) {
        if (UPLOAD.test(url) && ++calls < 3) return fetch('http://127.0.0.1:9999/', init)
        return fetch(url, init)
      },
    })
    assert.ok((await client.upload(someBytes(10), { name: 'a' })).fileId)
    assert.equal(calls, 3)
  })

  it('gives up after three tries, and before the deadline', async () => {
    await using on = await stage()
    const down = { answer: { status: 502, body: '<html><body>Bad Gateway</body></html>' } }
    on.proxy.next(LINKS, down, down, down)
    await assert.rejects(on.client.downloadUrls([{ id: 'a', key: 'b' }]), { kind: 'unavailable', status: 502 })
    assert.equal(on.proxy.count(LINKS), 3)
    on.proxy.next(LINKS, { answer: { status: 429, headers: { 'retry-after': '3600' } } })
    await assert.rejects(on.client.downloadUrls([{ id: 'a', key: 'b' }]), {
      kind: 'rate-limited',
      retryAfterSeconds: 3600,
    })
    assert.equal(on.proxy.count(LINKS), 4)
  })

  it('stops at once when its caller does, with the caller’s reason', async () => {
    await using on = await stage({ retry: { tries: 5 } })
    const reason = new Error('enough')
    on.proxy.next(UPLOAD, { stallAfter: 0 })
    on.proxy.next(BYTES, { stallAfter: 10 })
    const first = new AbortController()
    const upload = on.client.upload(someBytes(10), { name: 'a', signal: first.signal })
    await seen(() => on.proxy.count(UPLOAD) === 1)
    first.abort(reason)
    await assert.rejects(upload, reason)
    const uploaded = await on.client.upload(someBytes(100_000), { name: 'a' })
    const second = new AbortController()
    const download = await on.client.download(uploaded, { signal: second.signal })
    setTimeout(() => second.abort(reason), 100)
    await assert.rejects(download.bytes(), reason)
    await assert.rejects(on.client.token({ signal: AbortSignal.abort(reason) }), reason)
  })

  it('says that an attachment or a document is not there', async () => {
    await using on = await stage()
    await assert.rejects(on.client.download({ id: 'a', key: 'b' }), isNotFound)
    await assert.rejects(on.client.document('B00000000'), isNotFound)
  })
})

async function seen(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 5))
}
