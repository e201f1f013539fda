import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { BYTES, LINKS, someBytes, stage } from './client.fixture.ts'
import { isIntegrityError } from './errors.ts'

const EXPIRED = `<?xml version="1.0" encoding="UTF-8"?>
<Error><Code>AccessDenied</Code><Message>Request has expired.</Message><RequestId>5F4F3A</RequestId><Expires>2020-09-03T02:23:30.000Z</Expires></Error>`

describe('a download', () => {
  it('goes on where it was cut, by Range and If-Match', async () => {
    await using on = await stage()
    const bytes = someBytes(3_000_000)
    const uploaded = await on.client.upload(bytes, { name: 'a.bin' })
    const cuts = [random(1, 1_000_000), random(1, 500_000), random(1, 500_000)]
    on.proxy.next(BYTES, ...cuts.map((cutAfter) => ({ cutAfter })))
    assert.deepEqual(await (await on.client.download(uploaded)).bytes(), bytes, `cut after ${cuts}`)
    const [first, ...resumed] = on.proxy.passed.filter(({ target }) => BYTES.test(target))
    assert.equal(first?.headers.range, undefined)
    assert.equal(resumed.length, 3)
    for (const { headers, status } of resumed) {
      assert.match(String(headers.range), /^bytes=[1-9]\d*-$/)
      assert.match(String(headers['if-match']), /^"[0-9A-F]{32}"$/)
      assert.equal(status, 206)
    }
  })

  it('goes on when the answer falls silent', async () => {
    await using on = await stage({ stallMilliseconds: 80 })
    const bytes = someBytes(500_000)
    const uploaded = await on.client.upload(bytes, { name: 'a.bin' })
    on.proxy.next(BYTES, { stallAfter: 100_000 }, { stallAfter: 0 })
    assert.deepEqual(await (await on.client.download(uploaded)).bytes(), bytes)
    assert.deepEqual(
      on.log.filter(({ event }) => event === 'retry').map(({ kind }) => kind),
      ['timeout', 'timeout'],
    )
  })

  it('gives up after three tries that brought nothing', async () => {
    await using on = await stage()
    const uploaded = await on.client.upload(someBytes(500_000), { name: 'a.bin' })
    on.proxy.next(BYTES, { cutAfter: 1000 }, { cutAfter: 0 }, { noAnswer: true }, { cutAfter: 0 })
    const download = await on.client.download(uploaded)
    await assert.rejects(download.bytes(), { kind: 'network', operation: 'download' })
    assert.equal(on.proxy.count(BYTES), 3)
  })

  it('begins again where Range is not honoured, and gives no byte twice', async () => {
    await using on = await stage()
    const bytes = someBytes(500_000)
    const uploaded = await on.client.upload(bytes, { name: 'a.bin' })
    on.proxy.next(BYTES, { cutAfter: 200_000 }, { withoutRequestHeaders: ['range'] })
    assert.deepEqual(await (await on.client.download(uploaded)).bytes(), bytes)
  })

  it('asks for a new link when the one it has expired, also in the middle', async () => {
    await using on = await stage()
    const bytes = someBytes(500_000)
    const uploaded = await on.client.upload(bytes, { name: 'a.bin' })
    const [old] = (await on.client.downloadUrls([uploaded], { expiration: 1 })).links
    assert.ok(old)
    on.service.clock.now += 5000
    assert.deepEqual(await (await on.client.download(old)).bytes(), bytes)
    assert.equal(on.proxy.count(LINKS), 2)
    assert.equal(on.log.filter(({ event }) => event === 'resign').length, 1)
    on.proxy.next(BYTES, { cutAfter: 100_000 }, { answer: { status: 403, body: EXPIRED } })
    assert.deepEqual(await (await on.client.download(uploaded)).bytes(), bytes)
    assert.equal(on.proxy.count(LINKS), 4)
  })

  it('gives up when new links are refused as well', async () => {
    await using on = await stage()
    const uploaded = await on.client.upload(someBytes(10), { name: 'a.bin' })
    const expired = { answer: { status: 403, body: EXPIRED } }
    on.proxy.next(BYTES, expired, expired, expired)
    await assert.rejects(on.client.download(uploaded), {
      kind: 'expired-link',
      status: 403,
      code: 'AccessDenied',
      requestId: '5F4F3A',
    })
    assert.equal(on.proxy.count(BYTES), 3)
  })

  it('fails before its end when a bit is wrong', async () => {
    await using on = await stage()
    const uploaded = await on.client.upload(someBytes(300_000), { name: 'a.bin' })
    on.proxy.next(BYTES, { corruptAt: 299_999 })
    const { body } = await on.client.download(uploaded)
    let came = 0
    await assert.rejects(async () => {
      for await (const chunk of body) came += chunk.length
    }, isIntegrityError)
    assert.ok(came < 300_000)
  })

  it('takes an empty attachment, and one without any checksum', async () => {
    await using on = await stage()
    const empty = await on.client.upload(new Uint8Array(), { name: '空.txt' })
    assert.equal(empty.empty, true)
    assert.equal((await (await on.client.download(empty)).bytes()).length, 0)
    const bytes = someBytes(1000)
    const uploaded = await on.client.upload(bytes, { name: 'a.bin' })
    on.proxy.next(BYTES, { withoutHeaders: ['etag', 'content-md5', 'x-oss-hash-crc64ecma', 'content-length'] })
    assert.deepEqual(await (await on.client.download(uploaded)).bytes(), bytes)
  })

  it('joins nothing that it can not check', async () => {
    await using on = await stage()
    const uploaded = await on.client.upload(someBytes(500_000), { name: 'a.bin' })
    const bare = { withoutHeaders: ['etag', 'content-md5', 'x-oss-hash-crc64ecma'] }
    on.proxy.next(BYTES, { ...bare, cutAfter: 300_000 }, bare)
    await assert.rejects((await on.client.download(uploaded)).bytes(), { kind: 'changed' })
  })

  it('leaves no connection open when its reader stops', async () => {
    await using on = await stage()
    const uploaded = await on.client.upload(someBytes(8_000_000), { name: 'a.bin' })
    const read = await on.client.download(uploaded)
    const reader = read.body.getReader()
    await reader.read()
    await reader.cancel()
    const unread = await on.client.download(uploaded)
    await unread.body.cancel()
    await until(() => on.proxy.open() === 0)
  })
})

function random(least: number, most: number): number {
  return least + Math.floor(Math.random() * (most - least))
}

async function until(check: () => boolean): Promise<void> {
  for (let left = 100; !check(); left--) {
    assert.ok(left > 0, 'it did not come about')
    await new Promise((resolve) => setTimeout(resolve, 30))
  }
}
