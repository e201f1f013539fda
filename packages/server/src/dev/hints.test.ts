import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { PATHS } from '@attache/protocol'
import { type Calls, callsOf, hintsOf } from './dev.fixture.ts'
import { type SeededAttachment, startAttache, type TestAttache } from './testing.ts'

const TEXT = { 'content-type': 'text/plain' }
const JSON_TYPE = { 'content-type': 'application/json' }

describe('hints on the control plane', () => {
  let attache: TestAttache
  let calls: Calls
  let token: string
  let file: SeededAttachment
  const printed: string[] = []
  before(async () => {
    attache = await startAttache({ print: (line) => printed.push(line), settings: { ATTACHE_MAX_ITEMS: '50' } })
    calls = callsOf(attache)
    token = await calls.token()
    file = await attache.seedAttachment({ name: '发票 1+1.txt', content: 'x' })
  })
  after(() => attache.close())

  const links = (body: unknown, headers?: Record<string, string>) =>
    hintsOf(calls.post(`${PATHS.downloadUrls}?accessToken=${token}`, body, headers))
  const item = (more: object = {}) => ({ id: file.fileId, key: file.key, expiration: 60, ...more })

  it('are not given for what is right', async () => {
    assert.deepEqual(await links([item()]), [])
    assert.deepEqual(await hintsOf(calls.upload('good.txt', Buffer.from('x'))), [])
    assert.deepEqual(await hintsOf(fetch((await calls.link(file)).url)), [])
  })

  it('are on one line of the console too, in both languages, without the token', async () => {
    await links([item({ expiration: '60' })])
    const line = printed.at(-1) ?? ''
    assert.match(
      line,
      /^hint 400 POST \/api\/openapi\/v2\/attachment\/downloadurls expiration-string: .*请传数字.* \| .*send a number/,
    )
    assert.ok(!printed.join('').includes(token))
  })

  const BODIES: [string, unknown, Record<string, string>, RegExp][] = [
    ['the wrong Content-Type', [], TEXT, /^content-type: .*"text\/plain".*application\/json/],
    ['form encoding', 'a=1&b=2', JSON_TYPE, /^json-invalid: .*form-encoded/],
    ['single quotes', "[{'id': 1}]", JSON_TYPE, /^json-invalid: .*double quotes/],
    ['a comma too many', '[{"id": "a",}]', JSON_TYPE, /^json-invalid: .*comma/],
    ['half a body', '[{"id": "a"', JSON_TYPE, /^json-invalid: /],
    ['an object for an array', {}, JSON_TYPE, /^json-type: .*an array/],
    [
      'a string for an expiration',
      [{ id: 'a', key: 'b', expiration: '1000' }],
      JSON_TYPE,
      /^expiration-string: \[0\]\.expiration .*"1000"/,
    ],
    [
      'fileId instead of id',
      [{ fileId: 'a', key: 'b', expiration: 1 }],
      JSON_TYPE,
      /^field-missing: \[0\]\.id .*fileId/,
    ],
    [
      'an expiration of 0',
      [{ id: 'a', key: 'b', expiration: 0 }],
      JSON_TYPE,
      /^item-invalid: \[0\]\.expiration is "0"/,
    ],
    ['too many items', Array.from({ length: 51 }, () => ({})), JSON_TYPE, /^too-many-items: .*50/],
  ]
  for (const [what, body, headers, expected] of BODIES) {
    it(`name ${what}`, async () => {
      const [first = ''] = await links(body, headers)
      assert.match(first, expected)
      assert.match(first, / \| .*[\u4e00-\u9fff]/)
    })
  }

  it('name a Unix time that stands for a duration, which the contract takes', async () => {
    const [first = ''] = await links([item({ expiration: Date.now() })])
    assert.match(first, /^expiration-looks-like-time: \[0\]\.expiration/)
  })

  it('say why each item was left out', async () => {
    const { corporationId: corporation } = await attache.seedCorporation('other')
    const foreign = await attache.seedAttachment({ name: 'other.txt', content: 'x', corporation })
    const removed = await attache.seedAttachment({ name: 'gone.txt', content: 'x' })
    await attache.removeAttachment(removed.fileId)
    const second = await attache.seedAttachment({ name: 'second.txt', content: 'x' })
    const hints = await links([
      item({ id: 'nobody', key: 'none' }),
      item(),
      item({ key: second.key }),
      item({ key: encodeURIComponent(file.key) }),
    ])
    const more = await links([
      item({ id: removed.fileId, key: removed.key }),
      item({ id: foreign.fileId, key: foreign.key }),
      item({ id: 'nobody' }),
    ])
    const codes = [...hints, ...more].map((line) => /^([\w-]+): (\[\d\])?/.exec(line)?.slice(1, 3).join(' ').trim())
    assert.deepEqual(codes, [
      'items-dropped',
      'item-unknown [0]',
      'item-pair-mismatch [2]',
      'item-key-respelt [3]',
      'items-dropped',
      'item-removed [0]',
      'item-of-another-corporation [1]',
      'item-pair-mismatch [2]',
    ])
  })

  it('keep the header short, whatever is asked, and the log whole', async () => {
    const asked = Array.from({ length: 50 }, (_, i) => item({ id: `${i}${'号'.repeat(500)}` }))
    const answer = await calls.post(`${PATHS.downloadUrls}?accessToken=${token}`, asked)
    const header = answer.headers.get('x-attache-hint') ?? ''
    await answer.text()
    assert.ok(header.length > 100 && header.length <= 4096)
    assert.match(header, /^[\x20-\x7e]+$/)
    assert.equal(attache.requests().requests.at(-1)?.hints.length, 21)
  })

  const TOKENS: [string, () => Promise<string> | string, RegExp][] = [
    ['none', () => '', /^token-missing: /],
    ['another name', () => `?access_token=${token}`, /^token-missing: .*"access_token"/],
    ['a second question mark', () => `?accessToken=${token}?x=1`, /^second-question-mark: /],
    ['a placeholder', () => '?accessToken=undefined', /^token-placeholder: /],
    ['an unknown one', () => '?accessToken=abc', /^token-unknown: /],
    ['a refresh token', async () => `?accessToken=${(await pair()).refreshToken}`, /^refresh-token-used: /],
    ['one that was replaced', replaced, /^token-replaced: /],
  ]
  for (const [what, query, expected] of TOKENS) {
    it(`say of the access token: ${what}`, async () => {
      const [first = '', ...others] = await hintsOf(calls.post(PATHS.downloadUrls + (await query()), []))
      assert.match(first, expected)
      assert.deepEqual(others, [])
    })
  }

  it('say when an access token expired', async () => {
    const { accessToken, expireTime } = await pair()
    attache.clock.set(expireTime)
    const [first = ''] = await hintsOf(calls.post(`${PATHS.downloadUrls}?accessToken=${accessToken}`, []))
    attache.clock.reset()
    assert.ok(
      first.startsWith(`token-expired: the accessToken expired at ${new Date(expireTime).toISOString()}`),
      first,
    )
  })

  const SECRETS: [object | string, RegExp][] = [
    [{}, /^fields-missing: .*appKey and appSecurity/],
    [{ appKey: 'demo', appSecret: 'x' }, /^fields-missing: .*appSecurity.*appSecret/],
    [{ appKey: 'none', appSecurity: 'x' }, /^app-unknown: /],
    [{ appKey: 'demo', appSecurity: 'my-secret' }, /^secret-wrong: /],
  ]
  for (const [body, expected] of SECRETS) {
    it(`say what is wrong with ${JSON.stringify(body)}`, async () => {
      const [first = ''] = await hintsOf(calls.post(PATHS.getAccessToken, body))
      assert.match(first, expected)
      assert.ok(!first.includes('my-secret'))
    })
  }

  const UPLOADS: [string, [string, string | Blob][], RegExp][] = [
    ['which part is missing', [['name', 'a.txt']], /^part-missing: .*"file"/],
    [
      'which character of a name',
      [
        ['name', '发票?.txt'],
        ['file', new Blob(['x'])],
      ],
      /^name-invalid: .*character 3 is U\+003F "\?"/,
    ],
    [
      'a control character',
      [
        ['name', 'a\tb'],
        ['file', new Blob(['x'])],
      ],
      /^name-invalid: .*character 2 is U\+0009;/,
    ],
    [
      'how long a name is',
      [
        ['name', '长'.repeat(86)],
        ['file', new Blob(['x'])],
      ],
      /^name-invalid: .*258 bytes/,
    ],
    [
      'an empty name',
      [
        ['name', ''],
        ['file', new Blob(['x'])],
      ],
      /^name-invalid: .*it is empty/,
    ],
  ]
  for (const [what, parts, expected] of UPLOADS) {
    it(`say of an upload ${what}`, async () => {
      const form = new FormData()
      for (const [name, value] of parts) form.append(name, value)
      const [first = ''] = await hintsOf(
        fetch(`${attache.url}${PATHS.upload}?accessToken=${token}`, { method: 'POST', body: form }),
      )
      assert.match(first, expected)
    })
  }

  it('say of an upload that it is JSON, has no boundary, or is too large', async () => {
    const upload = `${PATHS.upload}?accessToken=${token}`
    assert.match((await hintsOf(calls.post(upload, {})))[0] ?? '', /^content-type: .*multipart\/form-data/)
    const headers = { 'content-type': 'multipart/form-data' }
    assert.match((await hintsOf(calls.post(upload, 'x', headers)))[0] ?? '', /^boundary-missing: /)
    assert.match((await hintsOf(calls.upload('a', Buffer.alloc(31_457_281))))[0] ?? '', /^too-large: .*31457280/)
  })

  const PLACES: [string, string, RegExp][] = [
    [
      'POST',
      '/api/openapi/v2/attachment/downloadUrls',
      /^unknown-path: .*nearest one is \/api\/openapi\/v2\/attachment\/downloadurls/,
    ],
    ['POST', '/v2/attachment/upload', /^unknown-path: .*nearest one is \/api\/openapi\/v2\/attachment\/upload/],
    ['GET', '/dev/fault', /^unknown-path: .*nearest one is \/dev\/faults/],
    ['GET', '/api/x', /^unknown-path: there is no path "\/api\/x" \|/],
    ['GET', PATHS.upload, /^wrong-method: GET .*POST/],
  ]
  for (const [method, path, expected] of PLACES) {
    it(`say of ${method} ${path} where to go`, async () => {
      assert.match((await hintsOf(fetch(attache.url + path, { method })))[0] ?? '', expected)
    })
  }

  it('say of documents what is unknown', async () => {
    const query = `?accessToken=${token}`
    const [by = ''] = await hintsOf(fetch(`${attache.url}${PATHS.documentByCode}${query}&code=B1`))
    assert.match(by, /^document-unknown: .*that code/)
    const form = { attachments: [{ key: file.key, fileId: 'x', fileName: 'x' }] }
    const [attachment = ''] = await hintsOf(calls.post(PATHS.createDocument + query, { form }))
    assert.match(attachment, /^item-pair-mismatch: form\.attachments\[0\]: /)
    const [listed = ''] = await hintsOf(calls.post(PATHS.documentAttachments + query, { flowIds: ['x'] }))
    assert.match(listed, /^document-unknown: .*flowIds\[0\]/)
  })

  async function pair() {
    const { appKey, appSecurity } = attache
    const answer = await calls.post(PATHS.getAccessToken, { appKey, appSecurity })
    return ((await answer.json()) as { value: { accessToken: string; refreshToken: string; expireTime: number } }).value
  }

  async function replaced(): Promise<string> {
    const { accessToken, refreshToken } = await pair()
    const query = `?accessToken=${accessToken}&refreshToken=${refreshToken}`
    await fetch(`${attache.url}${PATHS.refreshToken}${query}`, { method: 'POST' })
    return `?accessToken=${accessToken}`
  }
})
