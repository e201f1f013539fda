import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { buffer } from 'node:stream/consumers'
import { after, test } from 'node:test'
import OSS from 'ali-oss'
import sharp from 'sharp'
import { crc64 } from './crc64.ts'
import { SEED_NAME } from './seed.ts'
import { bytesOf, startAttache, statusOf } from './server.ts'
import { signatureOf, signedQuery } from './v1-signer.ts'

const THUMBNAIL = 'image/resize,w_120,h_120'
const AWKWARD = "a b+c%20d&e=f(1)~'!.pdf"

const attache = await startAttache()
after(() => attache.stop())
const { bucket, link: pair } = attache
const bytes = randomBytes(300_000)
const docx = await attache.upload(SEED_NAME, bytes)
const awkward = await attache.upload(AWKWARD, bytes.subarray(0, 1000))
const photo = await attache.upload(
  '照片.jpg',
  Buffer.from(
    await sharp({ create: { width: 400, height: 267, channels: 3, background: 'teal' } })
      .jpeg()
      .toBuffer(),
  ),
)

const session = { ...pair, stsToken: pair.securityToken }
const options = {
  ...session,
  bucket,
  endpoint: `http://localhost:${new URL(attache.url).port}`,
  sldEnable: true,
  refreshSTSToken: async () => session,
}
const signers: [string, OSS][] = [
  ['V1', new OSS(options)],
  ['V4', new OSS({ ...options, region: 'oss-cn-hangzhou', authorizationV4: true })],
]
const [v1] = signers.map(([, client]) => client)

for (const [version, client] of signers) {
  test(`serves get, getStream, head and getObjectMeta of the vendor's SDK (${version} in headers)`, async () => {
    for (const [{ key }, expected] of [
      [docx, bytes],
      [awkward, bytes.subarray(0, 1000)],
    ] as const) {
      const got = await client.get(key)
      assert.ok(expected.equals(got.content))
      const { stream } = await client.getStream(key)
      assert.ok(expected.equals(await buffer(stream)))
      for (const { status, res } of [
        await client.head(key),
        await client.getObjectMeta(key),
        { status: 200, ...got },
      ]) {
        assert.equal(status, 200)
        assert.equal(res.headers['content-length'], String(expected.length))
        assert.equal(res.headers.etag, `"${createHash('md5').update(expected).digest('hex').toUpperCase()}"`)
        assert.equal(res.headers['x-oss-hash-crc64ecma'], String(crc64(expected)))
      }
    }
  })

  test(`renders a process that the vendor's SDK asks for (${version} in headers)`, async () => {
    const { content } = await client.get(photo.key, { process: THUMBNAIL })
    const { width, height } = await sharp(content).metadata()
    assert.deepEqual([width, height], [120, 80])
  })

  test(`tells the vendor's SDK of a missing object in its own words (${version} in headers)`, async () => {
    const missing = `${docx.key}x`
    await assert.rejects(client.get(missing), { name: 'NoSuchKeyError', code: 'NoSuchKey', status: 404 })
    await assert.rejects(client.head(missing), { name: 'NoSuchKeyError', status: 404 })
  })

  test(`serves URLs that the vendor's SDK signs (${version} in the query)`, async () => {
    const sign = (key: string, process?: string) =>
      version === 'V1'
        ? client.signatureUrl(key, process ? { process } : {})
        : client.signatureUrlV4('GET', 60, { queries: process ? { 'x-oss-process': process } : {} }, key)
    for (const [{ key }, expected] of [
      [docx, bytes],
      [awkward, bytes.subarray(0, 1000)],
    ] as const) {
      const response = await fetch(await sign(key))
      assert.equal(response.status, 200, await response.clone().text())
      assert.ok(expected.equals(await bytesOf(response)))
    }
    const thumbnail = await fetch(await sign(photo.key, THUMBNAIL))
    assert.equal(thumbnail.status, 200)
    assert.equal((await sharp(await bytesOf(thumbnail)).metadata()).width, 120)
    assert.equal(await statusOf((await sign(photo.key, THUMBNAIL)).replace('w_120', 'w_121')), 403)
  })
}

test("honours signed response headers of the vendor's SDK", async () => {
  const disposition = "attachment; filename*=UTF-8''%E5%8F%91%E7%A5%A8.pdf"
  const url = v1?.signatureUrl(awkward.key, {
    response: { 'content-disposition': disposition, 'content-type': 'application/pdf' },
  })
  const response = await fetch(url ?? '')
  assert.equal(response.status, 200)
  assert.equal(response.headers.get('content-disposition'), disposition)
  assert.equal(response.headers.get('content-type'), 'application/pdf')
  assert.ok(bytes.subarray(0, 1000).equals(await bytesOf(response)))
})

test("refuses the vendor's SDK with another secret, in each way of signing", async () => {
  const stranger = new OSS({ ...options, accessKeySecret: 'x'.repeat(43) })
  assert.equal(await statusOf(stranger.signatureUrl(docx.key)), 403)
  assert.equal(await statusOf(await stranger.signatureUrlV4('GET', 60, {}, docx.key)), 403)
  await assert.rejects(stranger.get(docx.key), { code: 'SignatureDoesNotMatch', status: 403 })
})

test('signs both links as ten lines of somebody else do', async () => {
  for (const uploaded of [docx, awkward, photo]) {
    const { key, url, thumbUrl } = await attache.linkOf(uploaded)
    for (const address of [url, thumbUrl]) {
      const query = new URL(address).searchParams
      const signed = [...query].filter(([name]) => name === 'security-token' || name === 'x-oss-process')
      const expires = query.get('Expires') ?? ''
      assert.equal(query.get('OSSAccessKeyId'), pair.accessKeyId)
      assert.equal(query.get('security-token'), pair.securityToken)
      assert.equal(query.get('Signature'), signatureOf(pair.accessKeySecret, { bucket, key, expires, signed }))
    }
  }
})

test('computes the vectors as those ten lines do', async () => {
  const file = await readFile(new URL('../vectors/oss.json', import.meta.url), 'utf8')
  const { v1: vectors } = JSON.parse(file) as { v1: Vector[] }
  const reads = vectors.filter(({ method, headers }) => method === 'GET' && Object.keys(headers).length === 0)
  assert.ok(reads.length >= 5, `${reads.length} vectors`)
  for (const { id, accessKeySecret, expires, subresources, signature, ...of } of reads) {
    const signed = Object.entries(subresources)
    assert.equal(signatureOf(accessKeySecret, { ...of, expires: String(expires), signed }), signature, id)
  }
})

// No upload may have such a name; a signature over it must still be read right.
test('reads a signed key with every awkward character right, before it says that there is none', async () => {
  const key = "发票/a b+c%20d&e=f(1)~'!*.pdf"
  const query = signedQuery({ ...pair, bucket }, key)
  for (const path of [encodeURIComponent(key), encodeURI(key).replace('&', '%26').replace('+', '%2B')]) {
    const response = await fetch(`${attache.url}/${bucket}/${path}?${query}`)
    assert.match(await response.text(), /<Code>NoSuchKey<\/Code>/, path)
    assert.equal(response.status, 404)
  }
})

test('has logged no fault by its end', async () => {
  await attache.stop()
  assert.equal(attache.stderr(), '')
})

interface Vector {
  id: string
  accessKeySecret: string
  method: string
  bucket: string
  key: string
  expires: number | string
  subresources: Record<string, string>
  headers: Record<string, string>
  signature: string
}
