/** The rules of every blob store, for the driver of Alibaba OSS on the store of the development mode. */
import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import { after, test } from 'node:test'
import OSS from 'ali-oss'
import { blobStoreContract } from '../packages/server/src/blobs/blob-store.contract.ts'
import { bytesOf } from '../packages/server/src/blobs/blob-store.ts'
import { startAttache } from '../packages/server/src/dev/testing.ts'
import { ConfigError } from '../packages/server/src/errors.ts'
import { chunked, newId, storeOn } from './aliyun-store.ts'

const attache = await startAttache()
after(() => attache.close())
const open = storeOn(attache)

for (const [signature, role] of [
  ['v4', true],
  ['v1', false],
] as const) {
  // Pages of one, so that every list has several.
  blobStoreContract(`Alibaba OSS, ${signature}, ${role ? 'through STS' : 'permanent pair'}`, () =>
    open({ signature, role, pageLength: 1 }),
  )
}

const { bucket, accessKeyId, accessKeySecret, endpoint } = attache.store
const oss = new OSS({
  bucket,
  accessKeyId,
  accessKeySecret,
  endpoint: endpoint.replace('127.0.0.1', 'localhost'),
  sldEnable: true,
})

test('keeps bytes under the prefix and the id, and nothing else of them', async () => {
  await using store = await open({ prefix: '名 a+b%/' })
  const bytes = randomBytes(9_000_000)
  const [whole, inParts] = [newId(), newId()]
  await store.put(whole, chunked(bytes.subarray(0, 1000)))
  await store.put(inParts, chunked(bytes))
  for (const [id, length] of [
    [whole, 1000],
    [inParts, bytes.length],
  ] as const) {
    const { content, res } = await oss.get(`名 a+b%/${id}`)
    assert.ok(content.equals(bytes.subarray(0, length)))
    assert.equal(res.headers['content-type'], 'application/octet-stream')
    assert.deepEqual(
      Object.keys(res.headers).filter((name) => name.startsWith('x-oss-meta-')),
      [],
    )
  }
  assert.deepEqual((await Array.fromAsync(store.list(''))).map(({ id }) => id).sort(), [whole, inParts].sort())
  const { etag } = (await oss.listV2({ prefix: `名 a+b%/${whole}` })).objects[0] ?? {}
  assert.equal(etag, `"${createHash('md5').update(bytes.subarray(0, 1000)).digest('hex').toUpperCase()}"`)
})

test('reads what others put, in one piece or in parts', async () => {
  await using store = await open({ prefix: 'others/' })
  const bytes = randomBytes(700_000)
  const [whole, inParts] = [newId(), newId()]
  await oss.put(`others/${whole}`, bytes)
  await oss.multipartUpload(`others/${inParts}`, bytes, { partSize: 200 * 1024 })
  for (const id of [whole, inParts]) {
    const body = await store.read(id, { first: 0, last: bytes.length - 1 })
    assert.ok(body && bytes.equals(await bytesOf(body)))
  }
})

test('lists what could be a blob of its own, and tells of other names', async () => {
  await using store = await open({ prefix: 'strewn/' })
  const id = newId()
  for (const name of [id, '说明.txt', 'abc', `${id}.new`]) await oss.put(`strewn/${name}`, Buffer.from('some'))
  const foreign: string[] = []
  const listed = await Array.fromAsync(store.list('', (name) => foreign.push(name)))
  assert.deepEqual(
    listed.map((blob) => blob.id),
    [id],
  )
  assert.deepEqual(foreign.sort(), ['abc', `${id}.new`, '说明.txt'].sort())
})

test('does not open with a wrong secret, key, bucket, region or role, and says what to mend', async () => {
  const { stsEndpoint, roleArn } = attache.store
  const role = (other: object) => ({ role: { arn: roleArn, endpoint: stsEndpoint, seconds: 900, ...other } })
  for (const [wrong, words] of [
    [{ accessKeySecret: 'wrong' }, /ATTACHE_OSS_ACCESS_KEY_SECRET_FILE/],
    [{ accessKeyId: 'nobody' }, /ATTACHE_OSS_ACCESS_KEY_ID/],
    [{ region: 'cn-beijing' }, /ATTACHE_OSS_REGION/],
    [role({ arn: `${roleArn}s` }), /ATTACHE_OSS_ROLE_ARN/],
    [role({ seconds: 43_201 }), /ATTACHE_OSS_ROLE_SECONDS/],
    [{ ...role({}), accessKeySecret: 'wrong' }, /ATTACHE_OSS_ACCESS_KEY_SECRET_FILE/],
    [{ ...role({}), accessKeyId: 'nobody' }, /ATTACHE_OSS_ACCESS_KEY_ID/],
  ] as const) {
    await assert.rejects(open(wrong), (error) => error instanceof ConfigError && words.test(error.message))
  }
  attache.clock.advance(16 * 60)
  await assert.rejects(open({ now: Date.now }), /by NTP/)
  await assert.rejects(open({ ...role({}), now: Date.now }), /by NTP/)
  attache.clock.reset()
})
