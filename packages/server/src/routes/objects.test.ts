import assert from 'node:assert/strict'
import { createHmac, randomBytes } from 'node:crypto'
import { truncate } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { PATHS } from '@attache/protocol'
import type { Response } from 'light-my-request'
import sharp from 'sharp'
import { createApp } from '../commands/app.ts'
import { type TestService, testService } from '../service.fixture.ts'

describe('the data plane', () => {
  let test: TestService
  const bytes = randomBytes(300_000)
  let item: { key: string; fileId: string }
  before(async () => {
    test = await testService()
    item = await test.upload('发票 1.pdf', Buffer.concat([Buffer.from('%PDF-1.4\n'), bytes]))
  })
  after(() => test[Symbol.asyncDispose]())

  const size = bytes.length + 9
  const get = async (headers: Record<string, string> = {}, method: 'GET' | 'HEAD' = 'GET') =>
    test.ask({ method, url: (await test.link(item)).url, headers })
  const codeOf = (answer: Response) => /<Code>(\w+)<\/Code>/.exec(answer.body)?.[1]

  /** A URL that the corporation's printed pair signs, in ten lines that know nothing of our code. */
  async function signed(key: string, more: Record<string, string> = {}, method = 'GET'): Promise<string> {
    const {
      accessKeyId,
      accessKeySecret,
      securityToken = '',
    } = (await test.service.credentials.signerOf('corporation')).credential
    const expires = Math.floor(test.clock.now / 1000) + 600
    const subs = Object.entries({ ...more, 'security-token': securityToken }).sort(([a], [b]) => (a < b ? -1 : 1))
    const text = `${method}\n\n\n${expires}\n/attache/${key}?${subs.map(([k, v]) => (v ? `${k}=${v}` : k)).join('&')}`
    const signature = createHmac('sha1', accessKeySecret).update(text).digest('base64')
    const query = [['Expires', String(expires)], ['OSSAccessKeyId', accessKeyId], ['Signature', signature], ...subs]
    return `/attache/${encodeURIComponent(key)}?${query.map(([k, v]) => `${k}=${encodeURIComponent(v ?? '')}`).join('&')}`
  }

  it('gives the bytes with the headers of OSS and those that keep a browser safe', async () => {
    const answer = await get()
    assert.equal(answer.statusCode, 200)
    assert.ok(answer.rawPayload.subarray(9).equals(bytes))
    const { headers } = answer
    assert.match(String(headers.etag), /^"[0-9A-F]{32}"$/)
    assert.equal(
      Buffer.from(String(headers['content-md5']), 'base64').toString('hex').toUpperCase(),
      String(headers.etag).slice(1, -1),
    )
    assert.match(String(headers['x-oss-hash-crc64ecma']), /^\d+$/)
    assert.match(String(headers['x-oss-request-id']), /^[0-9A-F]{24}$/)
    const expected = {
      server: 'AliyunOSS',
      'content-type': 'application/pdf',
      'content-length': String(size),
      'accept-ranges': 'bytes',
      'content-disposition': 'inline; filename="__ 1.pdf"; filename*=UTF-8\'\'%E5%8F%91%E7%A5%A8%201.pdf',
      'x-oss-object-type': 'Normal',
      'x-oss-storage-class': 'Standard',
      'x-content-type-options': 'nosniff',
      'content-security-policy': "default-src 'none'; sandbox",
      'referrer-policy': 'no-referrer',
      'cache-control': 'private, max-age=1000',
      'last-modified': new Date(test.clock.now).toUTCString(),
    }
    for (const [name, value] of Object.entries(expected)) assert.equal(headers[name], value, name)
  })

  it('answers HEAD with the headers of GET and no body', async () => {
    const [head, whole] = [await get({}, 'HEAD'), await get()]
    assert.deepEqual([head.statusCode, head.rawPayload.length], [200, 0])
    for (const name of ['content-length', 'etag', 'content-type', 'x-oss-hash-crc64ecma', 'last-modified'])
      assert.equal(head.headers[name], whole.headers[name], name)
  })

  it('gives ranges, clamps them, and refuses what lies beyond the end', async () => {
    for (const [range, first, last] of [
      ['bytes=0-0', 0, 0],
      ['bytes=10-19', 10, 19],
      ['bytes=-5', size - 5, size - 1],
      ['bytes=300000-999999999', 300_000, size - 1],
      ['bytes=1-', 1, size - 1],
    ] as const) {
      const answer = await get({ range })
      assert.equal(answer.statusCode, 206, range)
      assert.equal(answer.headers['content-range'], `bytes ${first}-${last}/${size}`)
      assert.equal(answer.rawPayload.length, last - first + 1)
    }
    const beyond = await get({ range: `bytes=${size}-` })
    assert.deepEqual(
      [beyond.statusCode, beyond.headers['content-range'], codeOf(beyond)],
      [416, `bytes */${size}`, 'InvalidRange'],
    )
    for (const range of ['bytes=0-1,5-6', 'bytes=5-2', 'items=0-1', 'bytes=x'])
      assert.equal((await get({ range })).statusCode, 200, range)
  })

  it('keeps to conditions, also for a range', async () => {
    const { etag = '', 'last-modified': modified = '' } = (await get()).headers as Record<string, string>
    const unchanged = await get({ 'if-none-match': etag })
    assert.deepEqual([unchanged.statusCode, unchanged.headers.etag, unchanged.rawPayload.length], [304, etag, 0])
    assert.equal((await get({ 'if-modified-since': modified })).statusCode, 304)
    assert.equal((await get({ 'if-none-match': '"other"' })).statusCode, 200)
    assert.equal((await get({ 'if-match': etag })).statusCode, 200)
    const changed = await get({ 'if-match': '"other"' })
    assert.deepEqual([changed.statusCode, codeOf(changed)], [412, 'PreconditionFailed'])
    assert.equal((await get({ range: 'bytes=0-1', 'if-range': etag })).statusCode, 206)
    assert.equal((await get({ range: 'bytes=0-1', 'if-range': '"other"' })).statusCode, 200)
  })

  it('overrides headers only as signed', async () => {
    const override = {
      'response-content-type': 'text/plain',
      'response-content-disposition': 'attachment; filename=发票.pdf',
      'response-cache-control': 'no-store',
    }
    const answer = await test.ask({ url: await signed(item.key, override) })
    assert.equal(answer.statusCode, 200)
    assert.equal(answer.headers['content-type'], 'text/plain')
    assert.equal(answer.headers['cache-control'], 'no-store')
    assert.equal(
      Buffer.from(String(answer.headers['content-disposition']), 'latin1').toString(),
      'attachment; filename=发票.pdf',
    )
    assert.equal(
      (await test.ask({ url: `${(await test.link(item)).url}&response-content-type=text/html` })).statusCode,
      403,
    )
    const split = await test.ask({ url: await signed(item.key, { 'response-content-type': 'a\r\nSet-Cookie: x' }) })
    assert.deepEqual([split.statusCode, codeOf(split)], [400, 'InvalidArgument'])
  })

  it('tells nothing of what exists to a wrong signature', async () => {
    const { url } = await test.link(item)
    const wrong = async (key: string) => {
      const answer = await test.ask({
        url: url
          .replace(encodeURIComponent(item.key), encodeURIComponent(key))
          .replace(/Signature=.{5}/, 'Signature=AAAAA'),
      })
      return [answer.statusCode, codeOf(answer)]
    }
    assert.deepEqual(await wrong(item.key), [403, 'SignatureDoesNotMatch'])
    assert.deepEqual(await wrong('nothing'), [403, 'SignatureDoesNotMatch'])
  })

  it("knows neither an unknown key nor another corporation's", async () => {
    for (const method of ['GET', 'HEAD'] as const)
      assert.equal((await test.ask({ method, url: await signed('unknown', {}, method) })).statusCode, 404)
    await createApp(test.service.stores, { corporationId: 'other', corporationName: 'x', demo: false })
    const { records } = test.service.stores
    const [own] = await records.attachments.byFileIds([item.fileId])
    assert.ok(own)
    const key = 'openapi-of-another'
    await records.attachments.add({ ...own, fileId: 'another', key, corporationId: 'other' })
    const foreign = await test.ask({ url: await signed(key) })
    assert.deepEqual([foreign.statusCode, codeOf(foreign)], [404, 'NoSuchKey'])
  })

  it('refuses what it does not do, after the signature', async () => {
    for (const method of ['PUT', 'DELETE', 'POST', 'OPTIONS', 'PATCH'] as const) {
      const unsigned = await test.ask({ method, url: '/attache/x', payload: 'x' })
      assert.deepEqual([unsigned.statusCode, codeOf(unsigned)], [403, 'AccessDenied'], method)
      const answer = await test.ask({ method, url: await signed(item.key, {}, method), payload: 'x' })
      assert.deepEqual(
        [answer.statusCode, codeOf(answer), answer.headers.allow],
        [405, 'MethodNotAllowed', 'GET, HEAD'],
        method,
      )
    }
    assert.equal(codeOf(await test.ask({ url: await signed('') })), 'MethodNotAllowed')
    assert.equal(codeOf(await test.ask({ url: await signed(item.key, { acl: '' }) })), 'NotImplemented')
    assert.equal(
      codeOf(await test.ask({ url: await signed(item.key, { 'x-oss-ac-source-ip': '1.2.3.4' }) })),
      'NotImplemented',
    )
  })

  it('puts the XML of a failed HEAD into a header', async () => {
    const answer = await test.ask({ method: 'HEAD', url: '/attache/x' })
    assert.deepEqual([answer.statusCode, answer.rawPayload.length], [403, 0])
    assert.match(Buffer.from(String(answer.headers['x-oss-err']), 'base64').toString(), /<Code>AccessDenied<\/Code>/)
    assert.equal(answer.headers['x-oss-ec'], '0003-00000001')
  })

  it('survives strange targets', async () => {
    for (const url of [
      '/%',
      '/%ff',
      '//',
      '/attache//',
      '/attache/%00',
      '/attache/..%2f..%2fetc%2fpasswd',
      '/?',
      '/object',
      `/attache/${'x'.repeat(2000)}`,
    ]) {
      const { statusCode, headers } = await test.ask({ url })
      assert.ok(statusCode === 403 || statusCode === 400, url)
      assert.equal(headers['content-type'], 'application/xml')
    }
    for (const key of ['\u0000', '../../etc/passwd', 'x'.repeat(5000)])
      assert.equal((await test.ask({ url: await signed(key) })).statusCode, 404)
  })

  it('lets nothing run that was uploaded', async () => {
    const script = Buffer.from('<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>')
    for (const name of ['a.svg', 'a.html', 'a.xml', 'a.png', 'a.js', 'a']) {
      const { headers } = await test.ask({ url: (await test.link(await test.upload(name, script))).url })
      assert.equal(headers['content-type'], 'application/octet-stream', name)
      assert.match(String(headers['content-disposition']), /^attachment;/)
      assert.equal(headers['x-content-type-options'], 'nosniff')
    }
  })

  it('gives thumbnails of pictures, and says why not of others', async () => {
    const picture = await test.upload(
      '照片.jpg',
      await sharp({ create: { width: 400, height: 267, channels: 3, background: 'red' } })
        .jpeg()
        .toBuffer(),
    )
    const { thumbUrl } = await test.link(picture)
    const thumb = await test.ask({ url: thumbUrl })
    const { width, height, format } = await sharp(thumb.rawPayload).metadata()
    assert.deepEqual(
      [thumb.statusCode, width, height, format, thumb.headers['content-type']],
      [200, 120, 80, 'jpeg', 'image/jpeg'],
    )
    const original = await test.ask({ url: (await test.link(picture)).url })
    assert.equal(thumb.headers.etag, original.headers.etag)
    assert.equal(thumb.headers['x-oss-hash-crc64ecma'], undefined)
    assert.equal(
      (await test.ask({ url: thumbUrl, headers: { 'if-none-match': String(thumb.headers.etag) } })).statusCode,
      304,
    )
    const head = await test.ask({ method: 'HEAD', url: thumbUrl })
    assert.equal(head.headers['content-length'], String(thumb.rawPayload.length))
    assert.equal((await test.ask({ url: thumbUrl.replace('w_120', 'w_121') })).statusCode, 403)
    const document = await test.upload('a.docx', Buffer.from('no picture'))
    const refused = await test.ask({ url: (await test.link(document)).thumbUrl })
    assert.deepEqual(
      [refused.statusCode, codeOf(refused), refused.headers['content-type']],
      [400, 'BadRequest', 'application/xml'],
    )
  })

  it('forgets a removed attachment and a revoked corporation', async () => {
    const gone = await test.upload('gone.txt', Buffer.from('gone'))
    const { url } = await test.link(gone)
    assert.equal((await test.ask({ url })).statusCode, 200)
    const { records } = test.service.stores
    await records.attachments.remove(gone.fileId, test.clock.now)
    await until(async () => (await test.ask({ url })).statusCode === 404)
    const before = (await test.link(item)).url
    await records.links.raiseEpoch('corporation', test.clock.now)
    await until(async () => codeOf(await test.ask({ url: before })) === 'SecurityTokenExpired')
    const forged = before.replace(/Expires=\d+/, (expires) => `${expires}0`)
    assert.equal(codeOf(await test.ask({ url: forged })), 'SignatureDoesNotMatch')
    assert.equal((await test.ask({ url: (await test.link(item)).url })).statusCode, 200)
  })

  it('never passes off a blob that ends early as whole', async () => {
    const cut = await test.upload('cut.bin', randomBytes(500_000))
    const [record] = await test.service.stores.records.attachments.byFileIds([cut.fileId])
    assert.ok(record)
    await truncate(join(test.data, 'blobs', record.blobId.slice(0, 2), record.blobId), 300_000)
    const base = await test.service.app.listen({ host: '127.0.0.1', port: 0 })
    const answer = await fetch(base + (await test.link(cut)).url)
    await assert.rejects(answer.arrayBuffer(), /terminated/)
  })

  it('leaves the paths of the control plane alone', async () => {
    assert.equal(
      (await test.ask({ url: PATHS.downloadUrls })).headers['content-type'],
      'application/json; charset=utf-8',
    )
  })
})

/** Polls until it holds; the service follows changes of other processes four times a second. */
async function until(holds: () => Promise<boolean>): Promise<void> {
  const deadline = performance.now() + 1000
  while (!(await holds())) {
    if (performance.now() > deadline) assert.fail('not within a second')
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}
