import assert from 'node:assert/strict'
import { request as ask } from 'node:http'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { after, describe, it } from 'node:test'
import { PATHS } from '@attache/protocol'
import { createApp } from '../commands/app.ts'
import { type Answer, meeting, plainStage, toToken, withoutIds } from './plain.fixture.ts'

const { at, base, bySocket, byRoute, same, logged, lines, toLinks } = await plainStage()
after(() => at[Symbol.asyncDispose]())

describe('plain requests for a token', () => {
  it('are answered as the route answers them, and the tokens work', async () => {
    const body = JSON.stringify({ appKey: at.app.appKey, appSecurity: at.app.appSecurity })
    const asked = toToken(body)
    const answers: Answer[] = []
    assert.equal(await meeting(async () => answers.push(await bySocket(asked))), 0)
    answers.push(await byRoute(asked))
    const [socket, route] = answers.map(({ headers, ...rest }) => ({ ...withoutIds({ headers, ...rest }), text: '' }))
    assert.deepEqual(socket, route)
    const found = answers.map((answer) => JSON.parse(answer.body.toString()).value)
    assert.deepEqual(Object.keys(found[0]), Object.keys(found[1]))
    assert.deepEqual(
      found.map(({ expireTime, corporationId }) => [expireTime, corporationId]),
      found.map(() => [found[1].expireTime, 'corporation']),
    )
    assert.equal(new Set(found.flatMap(({ accessToken, refreshToken }) => [accessToken, refreshToken])).size, 4)
    for (const { accessToken } of found) assert.equal((await same(toLinks([], accessToken))).status, 200)
  })

  it('stand aside where the body is in any way particular, or wrong', async () => {
    const { appKey, appSecurity } = at.app
    const right = JSON.stringify({ appKey, appSecurity })
    const particular = [
      { appKey, appSecurity: `${appSecurity}x` },
      { appKey: 'unknown', appSecurity },
      { appKey: 1, appSecurity },
      { appKey },
      [],
      right.slice(0, -1),
      right.replace('{', '{"__proto__":{},'),
    ]
    for (const body of particular) assert.ok((await same(toToken(body))).status >= 400)
    const forwarded = { ...toToken(right), headers: { ...toToken(right).headers, 'x-forwarded-for': '10.0.0.1' } }
    for (const asked of [{ ...toToken(right), url: `${PATHS.getAccessToken}?x=1` }, forwarded]) {
      assert.equal(await meeting(() => bySocket(asked)), 1)
    }
  })

  it('that can not be kept are answered by the route', async () => {
    using database = new DatabaseSync(join(at.data, 'records.sqlite'))
    database.exec("create trigger refusing before insert on access_tokens begin select raise(abort, 'refused'); end")
    const asked = toToken({ appKey: at.app.appKey, appSecurity: at.app.appSecurity })
    const found: number[] = []
    assert.equal(await meeting(async () => found.push((await same(asked)).status)), 2)
    database.exec('drop trigger refusing')
    assert.equal(await meeting(async () => found.push((await bySocket(asked)).status)), 0)
    assert.deepEqual(found, [500, 200])
  })

  it('are logged also where the caller has left before it was written', async () => {
    const { appKey, appSecurity } = at.app
    const body = JSON.stringify({ appKey, appSecurity })
    await logged([(await bySocket(toToken(body))).headers['x-request-id']])
    const ofTokens = () => lines().filter(({ path }) => path === PATHS.getAccessToken).length
    const before = ofTokens()
    using database = new DatabaseSync(join(at.data, 'records.sqlite'))
    // The write waits for this one, and meanwhile the caller goes.
    database.exec('begin immediate')
    const options = { method: 'POST', headers: { 'content-type': 'application/json', host: 'attache.test' } }
    const request = ask(base + PATHS.getAccessToken, options)
    request.on('error', () => {})
    request.end(body)
    for (let turn = 0; turn < 200; turn++) await new Promise(setImmediate)
    request.destroy()
    for (let turn = 0; turn < 200; turn++) await new Promise(setImmediate)
    database.exec('rollback')
    for (let left = 500; ofTokens() === before && left > 0; left--) {
      await new Promise((resolve) => setTimeout(resolve, 10))
    }
    assert.equal(ofTokens(), before + 1)
  })

  it('meet the frame once the app is disabled', async () => {
    const app = await createApp(at.service.stores, { corporationId: 'other', corporationName: '乙', demo: false })
    const asked = toToken({ appKey: app.appKey, appSecurity: app.appSecurity })
    assert.equal(await meeting(() => bySocket(asked)), 1)
    assert.equal(await meeting(() => bySocket(asked)), 0)
    await at.service.stores.records.apps.disable(app.appKey, at.clock.now)
    let status = 200
    for (const deadline = Date.now() + 5000; status === 200 && Date.now() < deadline; ) {
      status = (await bySocket(asked)).status
    }
    assert.equal(status, 403)
  })
})
