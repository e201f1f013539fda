import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { PATHS } from '@attache/protocol'
import { createApp } from '../commands/app.ts'
import { type TestService, testService, tokenFor } from '../service.fixture.ts'

describe('access tokens', () => {
  let test: TestService
  before(async () => {
    test = await testService()
  })
  after(() => test[Symbol.asyncDispose]())

  const getToken = (payload: object, more: object = {}) =>
    test.ask({ method: 'POST', url: PATHS.getAccessToken, payload, ...more })
  const works = async (token: string) => {
    const answer = await test.ask({
      method: 'POST',
      url: `${PATHS.downloadUrls}?accessToken=${encodeURIComponent(token)}`,
      payload: [],
    })
    return answer.statusCode === 200
  }

  it('are given for the right pair, live two hours, and work at once', async () => {
    const answer = await getToken(test.app)
    assert.equal(answer.statusCode, 200)
    const { value, ...rest } = answer.json()
    assert.deepEqual(rest, {})
    assert.equal(value.corporationId, 'corporation')
    assert.equal(value.expireTime, test.clock.now + 7_200_000)
    assert.match(value.accessToken, /^[\w-]{41}$/)
    assert.notEqual(value.accessToken, value.refreshToken)
    assert.ok(await works(value.accessToken))
  })

  it('are refused for a wrong pair or missing fields, in the published shape', async () => {
    for (const wrong of [
      {},
      { appKey: test.app.appKey },
      { ...test.app, appSecurity: 'no' },
      { appKey: 'nobody', appSecurity: 'x' },
      { appKey: 1, appSecurity: {} },
    ]) {
      const answer = await getToken(wrong)
      assert.equal(answer.statusCode, 403)
      assert.deepEqual(answer.json(), {
        errorCode: 403,
        errorMessage: '密钥无效',
        errorDetails: null,
        code: null,
        data: null,
      })
      assert.equal(answer.headers['content-type'], 'application/json; charset=utf-8')
      assert.ok(answer.headers['x-request-id'])
    }
  })

  it('die when their time is over', async () => {
    const token = await tokenFor(test.ask, test.app)
    test.clock.now += 7_200_000
    assert.equal(await works(token), false)
  })

  it('count where they stand first in the query, with their colon escaped or not, or in a header', async () => {
    const token = await tokenFor(test.ask, test.app)
    const ask = (query: string, headers = {}) =>
      test.ask({ method: 'POST', url: PATHS.downloadUrls + query, payload: [], headers })
    assert.equal((await ask(`?x=1&accessToken=${token}&accessToken=wrong&y=2`)).statusCode, 200)
    assert.equal((await ask(`?accessToken=wrong&accessToken=${token}`)).statusCode, 403)
    assert.equal((await ask('', { authorization: `Bearer ${token}` })).statusCode, 200)
    for (const query of ['', '?accessToken=', '?accessToken=a:b', '?accessToken=a%3Ab', '?accessToken=%']) {
      const answer = await ask(query)
      assert.equal(answer.statusCode, 403)
      assert.equal(answer.json().errorMessage, '未授权')
    }
  })

  it('are refreshed as a pair, once, for 32 days or as many as asked', async () => {
    const { accessToken, refreshToken } = (await getToken(test.app)).json().value
    const refresh = (path: string, query: string) =>
      test.ask({ method: 'POST', url: `${path}?${query}&powerCode=219904` })
    const pair = `accessToken=${accessToken}&refreshToken=${refreshToken}`
    assert.equal((await refresh(PATHS.refreshToken, `accessToken=${accessToken}&refreshToken=x`)).statusCode, 403)
    const { value } = (await refresh(PATHS.refreshToken, pair)).json()
    assert.equal(value.expireTime, test.clock.now + 32 * 86_400_000)
    assert.equal(await works(accessToken), false)
    assert.equal(await works(value.accessToken), true)
    assert.equal((await refresh(PATHS.refreshToken, pair)).statusCode, 403)

    const next = `accessToken=${value.accessToken}&refreshToken=${value.refreshToken}`
    for (const days of ['0', '366', '1.5', 'x', ''])
      assert.equal((await refresh(PATHS.refreshTokenExpireDate, `${next}&expireDate=${days}`)).statusCode, 400)
    const again = (await refresh(PATHS.refreshTokenExpireDate, `${next}&expireDate=365`)).json().value
    assert.equal(again.expireTime, test.clock.now + 365 * 86_400_000)
    test.clock.now = again.expireTime
    assert.equal(
      (await refresh(PATHS.refreshToken, `accessToken=${again.accessToken}&refreshToken=${again.refreshToken}`))
        .statusCode,
      403,
    )
  })

  it('are asked for with a small body, by whoever has none yet', async () => {
    const asked = (length: number) => getToken({ ...test.app, more: 'x'.repeat(length) } as typeof test.app)
    assert.equal((await asked(7000)).statusCode, 200)
    assert.equal((await asked(8192)).statusCode, 413)
  })

  it('limit wrong secrets per app and address, and never a right one', async () => {
    const other = await createApp(test.service.stores, { corporationId: 'other', corporationName: 'x', demo: false })
    const wrong = () => getToken({ appKey: other.appKey, appSecurity: 'guess' })
    for (let i = 0; i < 20; i++) assert.equal((await wrong()).statusCode, 403)
    const limited = await wrong()
    assert.equal(limited.statusCode, 429)
    assert.equal(limited.headers['retry-after'], '60')
    assert.equal((await getToken(other)).statusCode, 200)
    assert.equal((await getToken({ ...test.app, appSecurity: 'guess' })).statusCode, 403)
    assert.equal(
      (await getToken({ appKey: other.appKey, appSecurity: 'guess' }, { remoteAddress: '10.0.0.9' })).statusCode,
      403,
    )
    for (let i = 0; i < 200; i++) assert.equal((await getToken(test.app)).statusCode, 200)
    test.clock.now += 60_000
    assert.equal((await wrong()).statusCode, 403)
  })

  it('are kept as hashes only', async () => {
    const { accessToken, refreshToken } = (await getToken(test.app)).json().value
    const { createHash } = await import('node:crypto')
    const time = accessToken.slice(0, 9)
    const kept = await test.service.stores.records.tokens.find(
      time + createHash('sha256').update(accessToken).digest('base64url'),
    )
    assert.ok(kept)
    for (const secret of [accessToken.slice(9), refreshToken, test.app.appSecurity])
      assert.ok(!JSON.stringify(kept).includes(secret))
    assert.ok(!JSON.stringify(await test.service.stores.records.apps.list()).includes(test.app.appSecurity))
  })

  it('are swept once they expired', async () => {
    await tokenFor(test.ask, test.app)
    const { tokens } = test.service.stores.records
    assert.equal(await tokens.sweep(test.clock.now + 400 * 86_400_000, 1), 1)
  })

  it('of a demo corporation are never given where demo is off', async () => {
    const demo = await createApp(test.service.stores, { corporationId: 'demo', corporationName: 'demo', demo: true })
    assert.equal((await getToken(demo)).statusCode, 403)
  })

  it('are not needed to learn where the service is', async () => {
    const answer = await test.ask({ url: `${PATHS.location}?corpId=x` })
    assert.deepEqual(answer.json(), { value: 'http://attache.test/' })
  })
})

describe('access tokens of a corporation that has a rate', () => {
  it('are not refreshed beyond it', async () => {
    await using rated = await testService({ ATTACHE_QUOTA_REQUESTS_PER_MINUTE: '3' })
    let pair = (await rated.ask({ method: 'POST', url: PATHS.getAccessToken, payload: rated.app })).json().value
    const statuses: number[] = []
    for (let i = 0; i < 3; i++) {
      const query = `accessToken=${pair.accessToken}&refreshToken=${pair.refreshToken}`
      const answer = await rated.ask({ method: 'POST', url: `${PATHS.refreshToken}?${query}` })
      statuses.push(answer.statusCode)
      pair = answer.json().value ?? pair
    }
    // The service took one to begin with.
    assert.deepEqual(statuses, [200, 429, 429])
  })
})
