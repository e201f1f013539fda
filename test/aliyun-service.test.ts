/** A service whose blobs lie in OSS, as an operator sets it up, on the store of a development server. */
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import OSS from 'ali-oss'
import sharp from 'sharp'
import type { StoreFacts } from '../packages/server/src/dev/testing.ts'
import { startDev } from './dev-server.ts'
import { bytesOf, startAttache } from './server.ts'

const directory = await mkdtemp(join(tmpdir(), 'attache-aliyun-'))
const dev = await startDev(['--memory'])
after(async () => {
  await dev.stop()
  await rm(directory, { recursive: true, force: true })
})
const store = dev.facts['store'] as StoreFacts
const secretFile = join(directory, 'secret')
await writeFile(secretFile, store.accessKeySecret, { mode: 0o600 })

const SETTINGS = {
  ATTACHE_BLOBS: 'oss',
  ATTACHE_OSS_ENDPOINT: store.endpoint,
  ATTACHE_OSS_PUBLIC_ENDPOINT: store.endpoint,
  ATTACHE_OSS_REGION: store.region,
  ATTACHE_OSS_BUCKET: store.bucket,
  ATTACHE_OSS_STYLE: 'path',
  ATTACHE_OSS_ACCESS_KEY_ID: store.accessKeyId,
  ATTACHE_OSS_ACCESS_KEY_SECRET_FILE: secretFile,
}
const ROLE = { ATTACHE_OSS_ROLE_ARN: store.roleArn, ATTACHE_OSS_STS_ENDPOINT: store.stsEndpoint }

for (const [name, env] of [
  ['a permanent pair, bytes through the service', {}],
  ['a role, redirects, signatures of V1', { ...ROLE, ATTACHE_DELIVERY: 'redirect', ATTACHE_OSS_SIGNATURE: 'v1' }],
] as const) {
  test(`uploads to OSS and gives links that work: ${name}`, async () => {
    const attache = await startAttache({
      env: { ...SETTINGS, ATTACHE_BLOB_PREFIX: `${randomBytes(4).toString('hex')}/`, ...env },
    })
    const picture = await sharp({ create: { width: 400, height: 267, channels: 3, background: 'teal' } })
      .jpeg()
      .toBuffer()
    for (const [file, bytes] of [
      ['发票.pdf', randomBytes(1000)],
      ['大.bin', randomBytes(9_000_000)],
      ['照片.jpg', Buffer.from(picture)],
    ] as const) {
      const uploaded = await attache.upload(file, bytes)
      const link = await attache.linkOf(uploaded)
      const first = await fetch(link.url, { redirect: 'manual' })
      await first.arrayBuffer()
      assert.equal(first.status, name.includes('redirects') ? 302 : 200)
      const answer = await fetch(link.url)
      assert.ok(bytes.equals(await bytesOf(answer)))
      assert.match(answer.headers.get('content-disposition') ?? '', new RegExp(encodeURIComponent(file.slice(0, 1))))
    }
    await attache.stop()
    assert.equal(attache.stderr(), '')
  })
}

test('does not start with settings that OSS refuses, and says which', async () => {
  const env = { ...SETTINGS, ATTACHE_OSS_ACCESS_KEY_ID: 'nobody' }
  await assert.rejects(startAttache({ env }), /ATTACHE_OSS_ACCESS_KEY_ID/)
})

test('the store is there in development mode only, also for one whose signature is right', async () => {
  const attache = await startAttache()
  const { accessKeyId, accessKeySecret, securityToken } = attache.link
  const endpoint = attache.url.replace('127.0.0.1', 'localhost')
  const pair = { accessKeyId, accessKeySecret, stsToken: securityToken, refreshSTSToken: async () => ({ ...pair }) }
  const oss = new OSS({ ...pair, bucket: store.bucket, endpoint, sldEnable: true })
  await assert.rejects(oss.put('x', Buffer.from('x')), { code: 'NoSuchBucket', status: 404 })
  await assert.rejects(oss.listV2({}), { code: 'NoSuchBucket', status: 404 })
  assert.equal(
    (await fetch(`${attache.url}/attache-sts`, { method: 'POST' })).headers.get('content-type'),
    'application/xml',
  )
  await attache.stop()
})
