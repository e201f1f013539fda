import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { inspect } from 'node:util'
import { errorOfAnswer, retryAfter } from './answers.ts'
import { BYTES, LINKS, someBytes, stage, TOKEN } from './client.fixture.ts'
import {
  AttacheError,
  type ErrorKind,
  isAttacheError,
  isExpiredLink,
  isIntegrityError,
  isNotFound,
  isTransient,
  isUnauthorized,
} from './errors.ts'

const failure = (errorCode: number, errorMessage: string) =>
  JSON.stringify({ errorCode, errorMessage, errorDetails: null, code: null, data: null })
const xml = (code: string, message: string) =>
  `<?xml version="1.0"?><Error><Code>${code}</Code><Message>${message}</Message></Error>`

describe('an answer', () => {
  const cases: ['control' | 'data', number, string, ErrorKind][] = [
    ['control', 403, failure(403, '未授权'), 'unauthorized'],
    ['control', 403, failure(403, '密钥无效'), 'unauthorized'],
    ['control', 401, 'Unauthorized', 'unauthorized'],
    ['control', 403, failure(403, '本企业的附件总大小已达配额上限（1048576字节），请联系管理员'), 'not-allowed'],
    ['control', 403, failure(403, ''), 'unauthorized'],
    ['control', 403, '{"message":"Forbidden"}', 'unauthorized'],
    ['control', 403, '<html><title>403 Forbidden</title></html>', 'unauthorized'],
    ['control', 400, failure(400, '单据不存在'), 'not-found'],
    ['control', 412, failure(412, '单据已删除'), 'not-found'],
    ['control', 412, failure(412, '上传附件大小不可超过30Mb'), 'too-large'],
    ['control', 412, failure(412, 'JSON请求参数不正确'), 'invalid'],
    ['control', 413, '413 Request Entity Too Large', 'too-large'],
    ['control', 404, failure(404, 'Error 404 Not Found'), 'protocol'],
    ['control', 404, '<html><title>404 Not Found</title></html>', 'protocol'],
    ['control', 408, '', 'timeout'],
    ['control', 429, 'slow down', 'rate-limited'],
    ['control', 500, failure(500, '服务器内部错误'), 'server'],
    ['control', 502, '<html><body>Bad Gateway</body></html>', 'unavailable'],
    ['control', 503, '', 'unavailable'],
    ['data', 403, xml('AccessDenied', 'Request has expired.'), 'expired-link'],
    ['data', 403, xml('SecurityTokenExpired', 'The security token you provided has expired.'), 'expired-link'],
    ['data', 403, xml('SignatureDoesNotMatch', 'no'), 'forbidden'],
    ['data', 403, 'Forbidden', 'forbidden'],
    ['data', 404, xml('NoSuchKey', 'The specified key does not exist.'), 'not-found'],
    ['data', 412, xml('PreconditionFailed', 'no'), 'changed'],
    ['data', 416, xml('InvalidRange', 'no'), 'changed'],
    ['data', 503, xml('ServiceUnavailable', 'later'), 'unavailable'],
  ]
  for (const [plane, status, text, kind] of cases) {
    it(`of the ${plane} plane, ${status} ${text.slice(0, 60)}, is ${kind}`, () => {
      const error = errorOfAnswer(
        { status, headers: new Headers(), text },
        { operation: 'test', plane, scrub: (words) => words, now: 0 },
      )
      assert.equal(error.kind, kind)
      assert.equal(error.status, status)
    })
  }

  it('says in Retry-After when, in seconds or by a date', () => {
    assert.equal(retryAfter('120', 0), 120)
    assert.equal(retryAfter('Thu, 01 Jan 1970 00:01:00 GMT', 30_000), 30)
    assert.equal(retryAfter('Thu, 01 Jan 1970 00:01:00 GMT', 90_000), 0)
    assert.equal(retryAfter('soon', 0), undefined)
    assert.equal(retryAfter(null, 0), undefined)
  })
})

describe('an error', () => {
  it('has words, a kind, what the server said, and the next step', async () => {
    await using on = await stage()
    const wrong = on.another({ appSecurity: 'wrong' })
    await assert.rejects(wrong.token(), (error) => {
      assert.ok(isAttacheError(error) && isUnauthorized(error))
      assert.match(error.message, /^token: 密钥无效 \(HTTP 403, request [0-9A-F]{24}\); check appKey and appSecurity/)
      assert.equal(error.code, '403')
      return true
    })
    on.proxy.next(LINKS, { answer: { status: 200, body: '<html><title>Sign in</title></html>' } })
    await assert.rejects(on.client.downloadUrls([{ id: 'a', key: 'b' }]), {
      kind: 'protocol',
      status: 200,
      message: /Sign in/,
    })
    on.proxy.next(LINKS, { answer: { status: 200, body: failure(400, '不行') } })
    await assert.rejects(on.client.downloadUrls([{ id: 'a', key: 'b' }]), { kind: 'invalid', message: /不行/ })
    on.proxy.next(LINKS, { answer: { status: 302, headers: { location: 'http://127.0.0.1:1/' } } })
    await assert.rejects(on.client.downloadUrls([{ id: 'a', key: 'b' }]), { kind: 'protocol', message: /redirects/ })
    await assert.rejects(on.another({ baseUrl: `${on.proxy.url}/wrong` }).token())
    assert.throws(() => on.another({ baseUrl: 'app.ekuaibao.com' }), { kind: 'usage' })
    await assert.rejects(on.client.upload(someBytes(1)), { kind: 'usage' })
  })

  it('is told by guards', () => {
    const of = (kind: ErrorKind) => new AttacheError('x', { kind, operation: 'test' })
    assert.ok(isExpiredLink(of('expired-link')) && isNotFound(of('not-found')) && isIntegrityError(of('integrity')))
    assert.ok(isTransient(of('network')) && !isTransient(of('invalid')) && !isTransient(new Error('network')))
    assert.ok(!isAttacheError(new Error('x')) && !isAttacheError(undefined))
  })

  it('holds no token, no secret and no signed URL, whoever repeats them', async () => {
    await using on = await stage({ retry: { tries: 1 } })
    const uploaded = await on.client.upload(someBytes(100), { name: 'a.bin' })
    const token = await on.client.token()
    const { appSecurity } = on.service.app
    const [link] = (await on.client.downloadUrls([uploaded])).links
    const query = new URL(link?.url ?? '').searchParams
    const secrets = [token, appSecurity, query.get('Signature') ?? '', query.get('security-token') ?? '']
    const echo = `${token} and ${encodeURIComponent(appSecurity)}: you asked for ${link?.url} with accessToken=${token} {"appSecurity":"${appSecurity}"} and ${token}`
    const signature = query.get('Signature') ?? ''
    const errors: AttacheError[] = []
    for (const status of [400, 403, 500, 503]) {
      const bodies = [
        failure(status, echo),
        echo,
        `<html>${echo}</html>`,
        xml('AccessDenied', echo.replaceAll('&', '&amp;')),
      ]
      for (const body of bodies) {
        // What is not the API's own JSON may be about the token: it is asked for anew, once.
        const times = status === 403 && !body.startsWith('{') ? 2 : 1
        on.proxy.next(LINKS, ...Array(times).fill({ answer: { status, body } }))
        errors.push(await caught(on.client.downloadUrls([uploaded])))
      }
    }
    const alone = `${signature} is wrong, ${encodeURIComponent(signature)} too. ${echo}`
    on.proxy.next(BYTES, { answer: { status: 404, body: xml('NoSuchKey', alone) } })
    errors.push(await caught(link ? on.client.download(link) : on.client.token()))
    on.proxy.next(TOKEN, { answer: { status: 500, body: `{"appSecurity":"${appSecurity}"}` } })
    errors.push(await caught(on.another().token()))
    const throwing = on.another({
      fetch: (url) =>
        Promise.reject(
          Object.assign(new TypeError(`Failed to parse URL from ${url}`), { cause: { url, message: `bad ${url}` } }),
        ),
    })
    errors.push(await caught(throwing.token()))
    assert.ok(errors.length >= 19)
    for (const error of errors) {
      const shown = [
        inspect(error, { depth: 9, showHidden: true }),
        JSON.stringify(error),
        String(error),
        error.stack,
      ].join('\n')
      for (const secret of secrets) {
        assert.ok(secret.length > 10)
        for (const form of [secret, encodeURIComponent(secret)]) assert.ok(!shown.includes(form), shown)
      }
      assert.doesNotMatch(shown, /Signature=(?!…)|accessToken=(?!…)/)
    }
    const told = inspect([on.client, on.log], { depth: 9, showHidden: true }) + JSON.stringify(on.log)
    for (const secret of secrets) assert.ok(!told.includes(secret), told)
  })
})

async function caught(promise: Promise<unknown>): Promise<AttacheError> {
  try {
    await promise
  } catch (error) {
    assert.ok(isAttacheError(error), String(error))
    return error
  }
  assert.fail('no error')
}
