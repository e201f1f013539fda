import assert from 'node:assert/strict'
import { rm, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { readConfig } from '../config.ts'
import { type SignedRequest, signV1, signV4, stringToSignV1, stringToSignV4, V4_ALGORITHM } from '../oss/signature.ts'
import { encodeValue } from '../oss/target.ts'
import { type TestService, testService } from '../service.fixture.ts'
import { openStores } from '../stores.ts'

const SOON_MS = 1000

describe("one attachment's links, revoked", () => {
  let attache: TestService
  let file: { key: string; fileId: string }
  let other: { key: string; fileId: string }
  before(async () => {
    attache = await testService()
    file = await attache.upload('发票.txt', Buffer.from('bytes'))
    other = await attache.upload('other.txt', Buffer.from('other'))
  })
  after(() => attache[Symbol.asyncDispose]())

  const get = (url: string, headers: Record<string, string> = {}) => attache.ask({ method: 'GET', url, headers })
  const codeOf = (body: string) => /<Message>([^<]*)</.exec(body)?.[1]

  /** As the operator's verb does it: in a process of its own, on a handle of its own. */
  async function revoke(fileId: string): Promise<number | undefined> {
    await using stores = await openStores(readConfig({ ATTACHE_DATA: attache.data }), { serving: false })
    return (await stores.records.attachments.revokeLinks(fileId, Date.now()))?.linkEpoch
  }

  async function until(check: () => Promise<boolean>): Promise<void> {
    const started = performance.now()
    while (!(await check())) {
      assert.ok(performance.now() - started < SOON_MS, `not within ${SOON_MS} ms`)
      await pause(10)
    }
  }

  it('look as the seed has them before the first time', async () => {
    const { url } = await attache.link(file)
    assert.doesNotMatch(url, /x-oss-attache/)
    assert.equal((await get(url)).statusCode, 200)
  })

  it('die within a second, thumbnails too, and no other does', async () => {
    const [old, others] = [await attache.link(file), await attache.link(other)]
    assert.equal((await get(old.url)).body, 'bytes')
    assert.equal(await revoke(file.fileId), 1)
    await until(async () => (await get(old.url)).statusCode === 403)
    for (const url of [old.url, old.thumbUrl]) {
      const answer = await get(url)
      assert.deepEqual([answer.statusCode, codeOf(answer.body)], [403, 'The link has been revoked.'])
    }
    assert.equal((await attache.ask({ method: 'HEAD', url: old.url })).statusCode, 403)
    assert.equal((await get(others.url)).body, 'other')
  })

  it('are followed by links that work and name the epoch, until these are revoked too', async () => {
    const next = await attache.link(file)
    const query = next.url.slice(next.url.indexOf('?'))
    assert.match(
      query,
      /^\?Expires=\d+&OSSAccessKeyId=[^&]+&Signature=[^&]+&x-oss-attache-epoch=1&security-token=[^&]+$/,
    )
    assert.equal((await get(next.url)).body, 'bytes')
    assert.match((await get(next.thumbUrl)).body, /not supported/)
    assert.equal((await get(next.url.replace('epoch=1', 'epoch=2'))).statusCode, 403)
    assert.equal((await get(next.url.replace('&x-oss-attache-epoch=1', ''))).statusCode, 403)
    assert.equal(await revoke(file.fileId), 2)
    await until(async () => (await get(next.url)).statusCode === 403)
    assert.equal((await get((await attache.link(file)).url)).body, 'bytes')
  })

  it('are signed like any sub-resource: a foreign V1 and V4 signer that names the epoch is let in', async () => {
    const { credential, hmacSha1 } = await attache.service.credentials.signerOf(attache.app.corporationId)
    const { accessKeyId, accessKeySecret, securityToken = '' } = credential
    const path = `/attache/${encodeValue(file.key)}`
    const expires = String(Math.floor(attache.clock.now / 1000) + 60)
    const object = { method: 'GET', bucket: 'attache', key: file.key }

    const v1 = (more: [string, string][]) => {
      const query = new Map([['security-token', securityToken], ...more])
      const signed: SignedRequest = { ...object, expires, query }
      const all = { Expires: expires, OSSAccessKeyId: accessKeyId, Signature: signV1(hmacSha1, stringToSignV1(signed)) }
      return `${path}?${new URLSearchParams([...Object.entries(all), ...query])}`
    }
    assert.equal((await get(v1([['x-oss-attache-epoch', '2']]))).body, 'bytes')
    for (const wrong of ['0', '1', '02', '2.0', '']) {
      assert.equal((await get(v1([['x-oss-attache-epoch', wrong]]))).statusCode, 403, wrong)
    }
    assert.equal((await get(v1([]))).statusCode, 403)

    const date = new Date(attache.clock.now).toISOString().replace(/[-:]|\.\d+/g, '')
    const scope = `${date.slice(0, 8)}/cn-hangzhou/oss/aliyun_v4_request`
    const v4 = (more: [string, string][]) => {
      const query = new Map([
        ['x-oss-signature-version', V4_ALGORITHM],
        ['x-oss-credential', `${accessKeyId}/${scope}`],
        ['x-oss-date', date],
        ['x-oss-expires', '60'],
        ['x-oss-security-token', securityToken],
        ...more,
      ])
      const text = stringToSignV4({ ...object, date, scope, query, headers: {}, additionalHeaders: [] })
      query.set('x-oss-signature', signV4(accessKeySecret, scope, text))
      return `${path}?${new URLSearchParams([...query])}`
    }
    assert.equal((await get(v4([['x-oss-attache-epoch', '2']]))).body, 'bytes')
    assert.equal((await get(v4([['x-oss-attache-epoch', '1']]))).statusCode, 403)
    assert.equal((await get(v4([]))).statusCode, 403)
  })

  it('leave a request that is signed in its header alone: it is no link', async () => {
    const { credential, hmacSha1 } = await attache.service.credentials.signerOf(attache.app.corporationId)
    const date = new Date(attache.clock.now).toUTCString()
    const headers = { date, 'x-oss-security-token': credential.securityToken ?? '' }
    const text = stringToSignV1({ method: 'GET', bucket: 'attache', key: file.key, expires: date, headers })
    const authorization = `OSS ${credential.accessKeyId}:${signV1(hmacSha1, text)}`
    const answer = await get(`/attache/${encodeValue(file.key)}`, { ...headers, authorization })
    assert.equal(answer.body, 'bytes')
  })

  it('are the same with a permanent pair, which has no token', async () => {
    const secretFile = `${attache.data}/pair.secret`
    await writeFile(secretFile, 'permanent-secret')
    const pair = { ATTACHE_LINK_ACCESS_KEY_ID: 'LTAIpermanent', ATTACHE_LINK_ACCESS_KEY_SECRET_FILE: secretFile }
    await using permanent = await testService(pair)
    const uploaded = await permanent.upload('a.txt', Buffer.from('a'))
    const old = await permanent.link(uploaded)
    await permanent.service.stores.records.attachments.revokeLinks(uploaded.fileId, 1)
    await until(async () => (await permanent.ask({ method: 'GET', url: old.url })).statusCode === 403)
    const next = await permanent.link(uploaded)
    assert.match(next.url, /&x-oss-attache-epoch=1$/)
    assert.equal((await permanent.ask({ method: 'GET', url: next.url })).body, 'a')
    assert.match((await permanent.ask({ method: 'GET', url: next.thumbUrl })).body, /not supported/)
  })

  it('die although the thumbnails of an attachment that was removed before can not be reached', async () => {
    const removed = await attache.upload('removed.txt', Buffer.from('removed'))
    const [old, gone] = [await attache.link(other), await attache.link(removed)]
    const unreadable = join(attache.data, 'thumbnails')
    await rm(unreadable, { recursive: true, force: true })
    await symlink('thumbnails', unreadable)
    await attache.service.stores.records.attachments.remove(removed.fileId, Date.now())
    await revoke(other.fileId)
    await until(async () => (await get(old.url)).statusCode === 403)
    assert.equal((await get(gone.url)).statusCode, 404)
    assert.ok(attache.log.some((line) => line.includes('ELOOP') && line.includes('fault in the background')))
  })
})
