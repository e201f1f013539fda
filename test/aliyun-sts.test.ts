/** Credentials of a role: taken once, renewed ahead, kept while STS fails, and told to nobody. */
import assert from 'node:assert/strict'
import { hash } from 'node:crypto'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { after, test } from 'node:test'
import { inspect } from 'node:util'
import { storeProxy } from '../packages/server/src/blobs/store-proxy.fixture.ts'
import { startAttache } from '../packages/server/src/dev/testing.ts'
import { acs3Authorization } from '../packages/server/src/oss/acs-signature.ts'
import { chunked, newId, quickTiming, storeOn, unavailable } from './aliyun-store.ts'
import { until } from './server.ts'

const attache = await startAttache()
const proxy = await storeProxy(attache.store.endpoint)
after(async () => {
  await proxy[Symbol.asyncDispose]()
  await attache.close()
})
const open = storeOn(attache)
const LIFE = 900
const START = Date.UTC(2030, 0, 1)
const BYTES = Buffer.from('0123456789')

/** A store whose STS is behind the proxy, and one blob in it. */
async function stage(other: Parameters<typeof open>[0] = {}) {
  attache.clock.set(START)
  proxy.requests.length = 0
  proxy.fault = () => undefined
  const timing = quickTiming()
  const { roleArn: arn, stsEndpoint } = attache.store
  const endpoint = stsEndpoint.replace(attache.store.endpoint, proxy.url)
  const store = await open({ role: { arn, endpoint, seconds: LIFE }, timing, ...other })
  const id = newId()
  await store.put(id, chunked(BYTES))
  return {
    store,
    timing,
    read: async () => assert.ok(BYTES.equals((await store.read(id, { first: 0, last: 9 })) as Buffer)),
    asked: () => proxy.requests.length,
    at: (seconds: number) => attache.clock.set(START + seconds * 1000),
    async [Symbol.asyncDispose]() {
      await store.close()
      attache.clock.reset()
    },
  }
}

const ifAsked = (count: number) => until(5000, async () => (proxy.requests.length >= count ? true : undefined))

test('fifty requests at once ask STS once, at the start and after death', async () => {
  await using staged = await stage()
  await Promise.all(Array.from({ length: 50 }, staged.read))
  assert.equal(staged.asked(), 1)
  staged.at(LIFE + 1)
  await Promise.all(Array.from({ length: 50 }, staged.read))
  assert.equal(staged.asked(), 2)
})

test('credentials are renewed ahead of their death, once, while the old ones serve', async () => {
  await using staged = await stage()
  staged.at((LIFE * 5) / 6 - 5)
  await staged.read()
  assert.equal(staged.asked(), 1)
  // Nobody waits for STS.
  proxy.fault = () => ({ delayMs: 2000 })
  staged.at((LIFE * 5) / 6 + 1)
  const started = performance.now()
  await Promise.all(Array.from({ length: 20 }, staged.read))
  assert.ok(performance.now() - started < 2000)
  await ifAsked(2)
  await until(10_000, async () => ((await staged.store.address?.(newId(), until1000())) ? true : undefined))
  proxy.fault = () => ({ refuse: { status: 500, code: 'InternalError' } })
  staged.at(LIFE + 1)
  await staged.read()
  assert.equal(staged.asked(), 2)
})

/** Longer than the first credentials live. */
function until1000() {
  return { method: 'GET', expiresAt: START / 1000 + 1000, headers: {} } as const
}

test('old credentials serve to their end while STS fails, and new ones are had once it answers', async () => {
  await using staged = await stage()
  proxy.fault = () => ({ refuse: { status: 503, code: 'ServiceUnavailable' } })
  for (const seconds of [760, 800, LIFE - 1]) {
    staged.at(seconds)
    await staged.read()
  }
  assert.ok(staged.asked() > 1)
  staged.at(LIFE + 1)
  await assert.rejects(staged.read(), unavailable)
  assert.equal(await staged.store.address?.(newId(), until1000()), undefined)
  proxy.fault = () => undefined
  // The breaker lets one through.
  staged.timing.skip(5000)
  await staged.read()
})

test('a failed renewal is not tried at every request', async () => {
  await using staged = await stage()
  proxy.fault = () => ({ refuse: { status: 403, code: 'NoPermission' } })
  staged.at(760)
  for (let n = 0; n < 30; n++) await staged.read()
  await ifAsked(2)
  assert.equal(staged.asked(), 2)
  staged.at(771)
  await staged.read()
  await ifAsked(3)
  assert.equal(staged.asked(), 3)
})

test('credentials that OSS says are dead are replaced in the same request', async () => {
  // This machine's clock is ten minutes behind.
  await using staged = await stage({ now: () => attache.clock.now() - 600_000 })
  staged.at(LIFE + 1)
  await staged.read()
  assert.equal(staged.asked(), 2)
})

test('the STS of the development mode takes a signed request once, and no other', async () => {
  const { stsEndpoint, roleArn, accessKeyId, accessKeySecret } = attache.store
  const { host, pathname: path } = new URL(stsEndpoint)
  const query = new Map([
    ['RoleArn', roleArn],
    ['RoleSessionName', 'test'],
  ])
  async function ask(changed: Record<string, string> = {}, body = '', id = accessKeyId) {
    const headers = {
      host,
      'x-acs-action': 'AssumeRole',
      'x-acs-version': '2015-04-01',
      'x-acs-date': new Date(attache.clock.now()).toISOString(),
      'x-acs-signature-nonce': newId(),
      'x-acs-content-sha256': hash('sha256', ''),
      ...changed,
    }
    const authorization = acs3Authorization(id, accessKeySecret, { method: 'POST', path, query, headers })
    const init = { method: 'POST', headers: { ...headers, authorization }, body }
    const answer = await fetch(`${stsEndpoint}?${new URLSearchParams([...query])}`, init)
    const told = (await answer.json()) as { Code?: string; Credentials?: { Expiration: string } }
    return told.Code ?? told.Credentials?.Expiration
  }
  attache.clock.set(START)
  const nonce = { 'x-acs-signature-nonce': newId() }
  assert.equal(await ask(nonce), '2030-01-01T01:00:00Z')
  assert.equal(await ask(nonce), 'SignatureNonceUsed')
  assert.equal(await ask({}, 'another body'), 'SignatureDoesNotMatch')
  assert.equal(await ask({ 'x-acs-date': '2030-01-01T00:16:00Z' }), 'InvalidTimeStamp.Expired')
  assert.equal(await ask({ 'x-acs-action': 'GetCallerIdentity' }), 'InvalidAction.NotFound')
  assert.equal(await ask({}, '', 'nobody'), 'InvalidAccessKeyId.NotFound')
  query.set('DurationSeconds', '899')
  assert.equal(await ask(), 'InvalidParameter.DurationSeconds')
  attache.clock.reset()
})

test('no answer of OSS or STS puts a secret, token or signature into an error', async () => {
  const seen: string[] = []
  const echo = createServer((request, response) => {
    const { authorization = '', 'x-oss-security-token': token } = request.headers
    seen.push(authorization, ...(token === undefined ? [] : [String(token)]))
    const [signature = ''] = /[^=:,]{27,}=?$/.exec(authorization) ?? []
    if (signature !== '') seen.push(signature)
    const told = `${authorization} ${token}`
    const xml = `<Error><Code>Other</Code><Message>${told}</Message><StringToSign>${told}</StringToSign></Error>`
    const json = JSON.stringify({ Code: 'Other', Message: told, Credentials: { AccessKeySecret: told } })
    response.writeHead(403).end(request.method === 'POST' ? json : xml)
  }).listen(0, '127.0.0.1')
  await once(echo, 'listening')
  const url = `http://127.0.0.1:${(echo.address() as AddressInfo).port}`
  const { roleArn: arn, stsEndpoint, accessKeySecret } = attache.store
  const errors: unknown[] = []
  for (const options of [
    { endpoint: url },
    { endpoint: url, signature: 'v1' },
    { endpoint: url, role: true },
    { role: { arn, endpoint: url, seconds: LIFE } },
    { endpoint: 'http://127.0.0.1:1', role: { arn, endpoint: stsEndpoint, seconds: LIFE } },
  ] as const) {
    const opened = open(options).then((store) => store.check().finally(() => store.close()))
    await assert.rejects(opened, (error) => errors.push(error) > 0)
  }
  echo.close()
  echo.closeAllConnections()
  const told = errors.map((error) => inspect(error, { depth: 10, showHidden: true, maxStringLength: null })).join('\n')
  assert.match(told, /OSS answers 403 Other/)
  assert.match(told, /STS answers 403 Other/)
  assert.ok(seen.length >= 8)
  for (const secret of [accessKeySecret, ...seen]) assert.ok(!told.includes(secret), secret)
})
