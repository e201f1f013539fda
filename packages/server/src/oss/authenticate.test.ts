import assert from 'node:assert/strict'
import { createHmac } from 'node:crypto'
import { describe, it } from 'node:test'
import { type AuthenticationRules, authenticate } from './authenticate.ts'
import { OssFailure, type OssFailureCode } from './failure.ts'
import { hmacSha1Key, signV4, stringToSignV4 } from './signature.ts'
import { encodeKey } from './target.ts'

const SECRET = 'ExampleSecret0123456789abcdefghij'
const NOW = 1_599_099_000_000
const EXPIRES = '1599099810'
const KEY = 'openapi-简 介+1.docx'

const rules = (more: Partial<AuthenticationRules> = {}): AuthenticationRules => ({
  defaultBucket: 'attache',
  region: 'cn-hangzhou',
  strict: false,
  now: NOW,
  signingKey(accessKeyId) {
    if (accessKeyId !== 'AK') throw new OssFailure('InvalidAccessKeyId')
    return { credential: { accessKeyId, accessKeySecret: SECRET }, hmacSha1: hmacSha1Key(SECRET) }
  },
  ...more,
})

const sign = (text: string) => createHmac('sha1', SECRET).update(text).digest('base64')

function link(more: { text?: string; path?: string; expires?: string; extra?: string } = {}): string {
  const { expires = EXPIRES, extra = '' } = more
  const signature = sign(more.text ?? `GET\n\n\n${expires}\n/attache/${KEY}`)
  const path = more.path ?? `/attache/${encodeKey(KEY)}`
  return `${path}?Expires=${expires}&OSSAccessKeyId=AK&Signature=${encodeURIComponent(signature)}${extra}`
}

const ask = (
  target: string,
  more: { method?: string; headers?: Record<string, string>; rules?: Partial<AuthenticationRules> } = {},
) =>
  authenticate(
    { method: more.method ?? 'GET', target, headers: { host: 'localhost:1', ...more.headers } },
    rules(more.rules),
  )

async function refused(code: OssFailureCode, asked: Promise<unknown>): Promise<void> {
  await assert.rejects(asked, (error) => error instanceof OssFailure && error.code === code, `refused as ${code}`)
}

describe('a signed URL', () => {
  it('names the object and the moment it dies', async () => {
    const { object, expiresAt } = await ask(link())
    assert.deepEqual([object, expiresAt], [{ bucket: 'attache', key: KEY }, 1_599_099_810_000])
  })

  it('works until the second it names and not after', async () => {
    await ask(link(), { rules: { now: 1_599_099_810_000 } })
    await refused('Expired', ask(link(), { rules: { now: 1_599_099_810_001 } }))
  })

  it('is read by host, by custom domain, with slashes escaped and with plus for a space', async () => {
    const hosted = { host: 'attache.oss.example.com' }
    assert.equal((await ask(link({ path: `/${encodeKey(KEY)}` }), { headers: hosted })).object.key, KEY)
    assert.equal((await ask(link({ path: `/${encodeKey(KEY)}` }))).object.key, KEY)
    const nested = link({ text: `GET\n\n\n${EXPIRES}\n/attache/a/b`, path: '/attache/a%2Fb' })
    assert.equal((await ask(nested)).object.key, 'a/b')
    assert.equal((await ask(link({ path: `/attache/${encodeKey(KEY).replace('%20', '+')}` }))).object.key, KEY)
  })

  it('does not mind order, strange parameters, or a plus that arrived as a space', async () => {
    const [path, query = ''] = link().split('?')
    await ask(`${path}?${query.split('&').reverse().join('&')}&utm=x&%zz`)
    await ask(link().replaceAll('%2B', '+'))
  })

  it('is refused when anything that is signed changes', async () => {
    const changed = [
      link({ expires: '1599099811', text: `GET\n\n\n${EXPIRES}\n/attache/${KEY}` }),
      link({ path: `/attache/${encodeKey(KEY)}x` }),
      link({ path: `/other/${encodeKey(KEY)}` }),
      link({ extra: '&x-oss-process=image/resize,w_5000' }),
      link({ extra: '&response-content-type=text/html' }),
      link({ path: `/attache/${encodeKey(KEY.normalize('NFD'))}%20` }),
    ]
    for (const target of changed) await refused('SignatureDoesNotMatch', ask(target))
    for (const method of ['PUT', 'DELETE', 'POST', 'OPTIONS'])
      await refused('SignatureDoesNotMatch', ask(link(), { method }))
  })

  it('says what is wrong with its shape', async () => {
    await refused('MissingParameters', ask(`/attache/k?Expires=${EXPIRES}&OSSAccessKeyId=AK`))
    await refused('MissingParameters', ask(`/attache/k?Expires=&OSSAccessKeyId=AK&Signature=x`))
    for (const expires of ['x', '-1', '1.5', '0x10', '1e9', ' 1']) {
      await refused(
        'InvalidExpires',
        ask(`/attache/k?Expires=${encodeURIComponent(expires)}&OSSAccessKeyId=AK&Signature=x`),
      )
    }
    await refused('InvalidAccessKeyId', ask(link().replace('=AK', '=BK')))
    await refused('TwoAuthentications', ask(link(), { headers: { authorization: 'OSS AK:x' } }))
    await refused('InvalidObjectName', ask('/attache/%ff'))
    await refused('AnonymousObject', ask('/attache/k'))
    await refused('AnonymousBucket', ask('/'))
  })

  it('looks at the time before the access key, and at the access key before the signature', async () => {
    await refused('Expired', ask('/attache/k?Expires=1&OSSAccessKeyId=BK&Signature=x'))
    await refused('InvalidAccessKeyId', ask(`/attache/k?Expires=${EXPIRES}&OSSAccessKeyId=BK&Signature=x`))
  })

  it('answers HEAD and a stray Content-Type, unless told to be strict', async () => {
    const headers = { 'content-type': 'application/json' }
    for (const more of [{ method: 'HEAD' }, { headers }, { method: 'HEAD', headers }]) {
      await ask(link(), more)
      await refused('SignatureDoesNotMatch', ask(link(), { ...more, rules: { strict: true } }))
    }
    const signed = link({ text: `GET\n\napplication/json\n${EXPIRES}\n/attache/${KEY}` })
    await ask(signed, { headers })
    await refused('SignatureDoesNotMatch', ask(signed))
  })
})

describe('a signed header', () => {
  const date = new Date(NOW).toUTCString()
  const headers = (text: string, more: Record<string, string> = {}) => ({
    'x-oss-date': date,
    ...more,
    authorization: `OSS AK:${sign(text)}`,
  })

  it('is accepted within a quarter of an hour', async () => {
    const signed = headers(`GET\n\ntext/plain\n${date}\nx-oss-date:${date}\n/attache/k`, {
      'content-type': 'text/plain',
    })
    const { object, expiresAt } = await ask('/attache/k', { headers: signed })
    assert.deepEqual([object.key, expiresAt], ['k', undefined])
    await refused('RequestTimeTooSkewed', ask('/attache/k', { headers: signed, rules: { now: NOW + 15 * 60_000 + 1 } }))
  })

  it('is refused when it is malformed, without repeating it', async () => {
    for (const authorization of ['OSS AK', 'OSS :x', 'Basic abc', 'Bearer secret']) {
      await assert.rejects(ask('/attache/k', { headers: { authorization, date } }), (error) => {
        assert.ok(error instanceof OssFailure && error.code === 'InvalidArgument')
        return !JSON.stringify(error.elements).includes('secret')
      })
    }
    await refused('InvalidArgument', ask('/attache/k', { headers: { authorization: 'OSS AK:x', date: 'yesterday' } }))
    await refused('SignatureDoesNotMatch', ask('/attache/k', { headers: { authorization: 'OSS AK:x', date } }))
  })
})

describe('a V4 URL', () => {
  const DATE = new Date(NOW).toISOString().replace(/[-:]|\.\d+/g, '')
  const SCOPE = `${DATE.slice(0, 8)}/cn-hangzhou/oss/aliyun_v4_request`

  function linkV4(more: Record<string, string> = {}): string {
    const query = new Map(
      Object.entries({
        'x-oss-signature-version': 'OSS4-HMAC-SHA256',
        'x-oss-credential': `AK/${SCOPE}`,
        'x-oss-date': DATE,
        'x-oss-expires': '600',
        ...more,
      }),
    )
    const text = stringToSignV4({
      method: 'GET',
      bucket: 'attache',
      key: KEY,
      date: DATE,
      scope: SCOPE,
      query,
      headers: {},
      additionalHeaders: [],
    })
    query.set('x-oss-signature', signV4(SECRET, SCOPE, text))
    return `/attache/${encodeKey(KEY)}?${[...query].map(([name, value]) => `${name}=${encodeURIComponent(value)}`).join('&')}`
  }

  it('is accepted until it expires', async () => {
    assert.equal((await ask(linkV4())).expiresAt, NOW + 600_000)
    await ask(linkV4(), { method: 'HEAD' })
    await refused('Expired', ask(linkV4(), { rules: { now: NOW + 600_001 } }))
    await refused('RequestTimeTooSkewed', ask(linkV4(), { rules: { now: NOW - 16 * 60_000 } }))
  })

  it('is refused when anything changes, for V4 signs every parameter', async () => {
    await refused('SignatureDoesNotMatch', ask(`${linkV4()}&utm=x`))
    await refused('SignatureDoesNotMatch', ask(linkV4().replace('x-oss-expires=600', 'x-oss-expires=601')))
    await refused('SignatureDoesNotMatch', ask(linkV4(), { method: 'PUT' }))
  })

  it('is refused outside its bounds', async () => {
    for (const expires of ['0', '604801', '-1', 'x', ''])
      await refused('InvalidArgument', ask(linkV4({ 'x-oss-expires': expires })))
    await refused('InvalidArgument', ask(linkV4({ 'x-oss-date': 'today' })))
    await refused(
      'InvalidArgument',
      ask(linkV4({ 'x-oss-credential': 'AK/20200101/cn-hangzhou/oss/aliyun_v4_request' })),
    )
    await refused('InvalidRegion', ask(linkV4({ 'x-oss-credential': `AK/${SCOPE.replace('hangzhou', 'beijing')}` })))
    await refused('InvalidArgument', ask(linkV4({ 'x-oss-signature-version': 'OSS5' })))
  })
})
