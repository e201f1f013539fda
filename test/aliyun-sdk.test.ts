/** The vendor's SDK against the store of the development mode: what it can write there, and how it is refused. */
import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import { Readable } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import { after, test } from 'node:test'
import OSS from 'ali-oss'
import { startAttache } from '../packages/server/src/dev/testing.ts'
import { crc64 } from './crc64.ts'

const attache = await startAttache()
after(() => attache.close())
const { bucket, accessKeyId, accessKeySecret, endpoint } = attache.store
const place = { bucket, endpoint: endpoint.replace('127.0.0.1', 'localhost'), sldEnable: true }
const pair = { accessKeyId, accessKeySecret }
const clients: [string, OSS][] = [
  ['V1', new OSS({ ...place, ...pair })],
  ['V4', new OSS({ ...place, ...pair, region: 'oss-cn-hangzhou', authorizationV4: true })],
]
const md5 = (bytes: Buffer) => createHash('md5').update(bytes).digest('hex').toUpperCase()

for (const [version, client] of clients) {
  test(`puts, gets, heads and deletes with the vendor's SDK (${version})`, async () => {
    const key = `${version}/发票 a+b%20&c.pdf`
    const bytes = randomBytes(300_000)
    const { res } = await client.put(key, bytes, { headers: { 'x-oss-meta-of': 'B26000001' } })
    assert.equal(res.headers.etag, `"${md5(bytes)}"`)
    assert.equal(res.headers['x-oss-hash-crc64ecma'], String(crc64(bytes)))
    const got = await client.get(key)
    assert.ok(bytes.equals(got.content))
    assert.equal(got.res.headers['content-type'], 'application/pdf')
    assert.equal(got.res.headers['x-oss-meta-of'], 'B26000001')
    assert.ok(bytes.equals(await buffer((await client.getStream(key)).stream)))
    const part = await client.get(key, { headers: { Range: 'bytes=1000-1999' } })
    assert.ok(bytes.subarray(1000, 2000).equals(part.content))
    assert.equal((await client.head(key)).res.headers['content-length'], '300000')
    assert.equal((await client.delete(key)).res.status, 204)
    await assert.rejects(client.get(key), { code: 'NoSuchKey', status: 404 })
    await assert.rejects(client.head(key), { name: 'NoSuchKeyError', status: 404 })
    assert.equal((await client.delete(key)).res.status, 204)
  })

  test(`takes a stream and an upload in parts from the vendor's SDK (${version})`, async () => {
    const bytes = randomBytes(1_000_001)
    await client.putStream(`${version}/stream`, Readable.from([bytes.subarray(0, 10), bytes.subarray(10)]))
    assert.ok(bytes.equals((await client.get(`${version}/stream`)).content))
    const key = `${version}/in parts.bin`
    const { etag } = await client.multipartUpload(key, bytes, { partSize: 300 * 1024, parallel: 2 })
    assert.match(etag, /^"[0-9A-F]{32}-4"$/)
    const { content, res } = await client.get(key)
    assert.ok(bytes.equals(content))
    assert.equal(res.headers['x-oss-hash-crc64ecma'], String(crc64(bytes)))
    assert.equal(res.headers['x-oss-object-type'], 'Multipart')
  })

  test(`lists to the vendor's SDK, page by page (${version})`, async () => {
    const prefix = `${version}/列表 +%/`
    const names = Array.from({ length: 25 }, (_, n) => `${prefix}${String(n).padStart(2, '0')} &<é>.txt`)
    await Promise.all(names.map((name, n) => client.put(name, Buffer.alloc(n + 1))))
    const found: [string, number][] = []
    const token: { 'continuation-token'?: string } = {}
    let pages = 0
    for (;;) {
      const page = await client.listV2({ prefix, 'max-keys': '10', ...token })
      for (const { name, size } of page.objects) found.push([name, size])
      pages++
      if (page.nextContinuationToken === null) break
      token['continuation-token'] = page.nextContinuationToken
    }
    assert.equal(pages, 3)
    assert.deepEqual(
      found,
      names.map((name, n) => [name, n + 1]),
    )
    assert.deepEqual((await client.listV2({ prefix: 'none' })).objects, [])
  })

  test(`refuses the vendor's SDK a wrong digest, and what it does not do (${version})`, async () => {
    const wrong = { 'Content-MD5': createHash('md5').update('other').digest('base64') }
    await assert.rejects(client.put('wrong', Buffer.from('x'), { headers: wrong }), { code: 'InvalidDigest' })
    await assert.rejects(client.get('wrong'), { code: 'NoSuchKey' })
    const copy = { 'x-oss-copy-source': `/${bucket}/wrong` }
    await assert.rejects(client.put('copy', Buffer.from('x'), { headers: copy }), { code: 'NotImplemented' })
    await assert.rejects(client.multipartUpload('small', randomBytes(300_000), { partSize: 1000 }), /partSize must not/)
  })
}

test('refuses every other credential, and is refused where links lead', async () => {
  const stranger = new OSS({ ...place, ...pair, accessKeySecret: 'x'.repeat(30) })
  await assert.rejects(stranger.put('x', Buffer.from('x')), { code: 'SignatureDoesNotMatch', status: 403 })
  const unknown = new OSS({ ...place, ...pair, accessKeyId: 'LTAIother' })
  await assert.rejects(unknown.put('x', Buffer.from('x')), { code: 'InvalidAccessKeyId', status: 403 })
  const elsewhere = new OSS({ ...place, ...pair, bucket: attache.bucket })
  await assert.rejects(elsewhere.put('x', Buffer.from('x')), { code: 'InvalidAccessKeyId', status: 403 })
  const anonymous = await fetch(`${endpoint}/${bucket}/x`, { method: 'PUT', body: 'x' })
  assert.equal(anonymous.status, 403)
  assert.match(await anonymous.text(), /<Code>AccessDenied</)
  assert.equal(anonymous.headers.get('x-attache-hint'), null)
})

test('forgets all when it is reset', async () => {
  const client = new OSS({ ...place, ...pair })
  await client.put('there', Buffer.from('x'))
  await attache.reset()
  assert.deepEqual((await client.listV2({})).objects, [])
})
