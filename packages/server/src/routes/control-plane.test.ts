import assert from 'node:assert/strict'
import { readdir } from 'node:fs/promises'
import { after, before, describe, it } from 'node:test'
import { PATHS } from '@attache/protocol'
import { createApp } from '../commands/app.ts'
import { type FormPart, form, type TestService, testService, tokenFor } from '../service.fixture.ts'

describe('the control plane', () => {
  let test: TestService
  before(async () => {
    test = await testService({ ATTACHE_MAX_UPLOAD_BYTES: '100000' })
  })
  after(() => test[Symbol.asyncDispose]())

  const send = (parts: FormPart[]) =>
    test.ask({ method: 'POST', url: `${PATHS.upload}?accessToken=${test.token}`, ...form(parts) })
  const failed = (answer: {
    statusCode: number
    json(): { errorCode: number; errorMessage: string; errorDetails: unknown }
  }) => {
    const { errorCode, errorMessage, errorDetails } = answer.json()
    assert.equal(errorCode, answer.statusCode)
    return [errorCode, errorMessage, errorDetails]
  }
  const bytes = Buffer.from('some bytes')

  it('stores an upload with its parts in either order', async () => {
    for (const parts of [
      [
        { field: 'name', value: 'kotlin简介.docx' },
        { field: 'file', value: bytes },
      ],
      [
        { field: 'file', value: bytes },
        { field: 'name', value: 'kotlin简介.docx' },
      ],
    ]) {
      const { value } = (await send(parts)).json()
      assert.match(value.key, /^openapi[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}-kotlin简介\.docx$/)
      assert.match(value.fileId, /^[\w-]{1,64}$/)
      assert.deepEqual(
        [value.fileName, value.empty, Object.keys(value)],
        ['kotlin简介.docx', false, ['key', 'fileId', 'fileName', 'empty']],
      )
    }
    assert.equal((await test.upload('empty.txt', Buffer.alloc(0))).empty, true)
  })

  it('refuses names that are no file names, with the published sentence, and stores nothing', async () => {
    const before = await stored()
    for (const name of [
      '',
      '.',
      '..',
      'a/b',
      'a\\b',
      'a?',
      'a*',
      'a<',
      'a>',
      'a:',
      'a"',
      'a|',
      'a\u0000',
      'a\nb',
      '简'.repeat(86),
    ]) {
      for (const parts of [
        [
          { field: 'name', value: name },
          { field: 'file', value: bytes },
        ],
        [
          { field: 'file', value: bytes },
          { field: 'name', value: name },
        ],
      ]) {
        assert.deepEqual(
          failed(await send(parts)).slice(0, 2),
          [400, '参数name不能为空，且必须为合法的文件名'],
          JSON.stringify(name),
        )
      }
    }
    assert.deepEqual(await stored(), before)
  })

  it('refuses a name that is not UTF-8 rather than storing another one', async () => {
    const gbk = form([
      { field: 'name', value: 'X.pdf' },
      { field: 'file', value: bytes },
    ])
    gbk.payload[gbk.payload.indexOf('X.pdf')] = 0xb7
    const answer = await test.ask({ method: 'POST', url: `${PATHS.upload}?accessToken=${test.token}`, ...gbk })
    assert.deepEqual(failed(answer)[2], [{ path: 'name', message: '必须为UTF-8编码' }])
  })

  it('reads a name as UTF-8 whatever charset its part names', async () => {
    for (const name of ['发票.pdf', 'é.pdf', '\u4141\u4142.txt', '\ufeffa.txt', 'a\ufffd.txt']) {
      for (const type of [
        undefined,
        'text/plain; charset=utf-8',
        'text/plain; charset=latin1',
        'application/octet-stream',
      ]) {
        const parts = [
          { field: 'name', value: name, type },
          { field: 'file', value: bytes },
        ]
        assert.equal((await send(parts)).json().value?.fileName, name, `${name} as ${type}`)
      }
    }
  })

  it('passes over parts of other names, up to a bound', async () => {
    const parts = [
      { field: 'comment', value: 'x'.repeat(100_000) },
      { field: 'name', value: 'a.txt' },
      { field: 'file', value: bytes },
    ]
    assert.equal((await send(parts)).statusCode, 200)
    const flood = { field: 'comment', value: 'x'.repeat(1_200_000) }
    assert.equal((await send([flood, ...parts])).statusCode, 413)
    assert.equal((await send([...parts, flood])).statusCode, 413)
  })

  it('takes a file of the limit and refuses one more byte, keeping nothing', async () => {
    assert.equal(
      (
        await send([
          { field: 'name', value: 'a' },
          { field: 'file', value: Buffer.alloc(100_000) },
        ])
      ).statusCode,
      200,
    )
    const before = await stored()
    const answer = await send([
      { field: 'name', value: 'a' },
      { field: 'file', value: Buffer.alloc(100_001) },
    ])
    assert.equal(answer.statusCode, 412)
    assert.match(answer.json().errorMessage, /^上传附件大小不可超过/)
    assert.deepEqual(await stored(), before)
    const far = await test.ask({
      method: 'POST',
      url: `${PATHS.upload}?accessToken=${test.token}`,
      headers: { 'content-type': 'multipart/form-data; boundary=x', 'content-length': '2000000' },
    })
    assert.deepEqual(failed(far).slice(0, 2), [413, '413 Request Entity Too Large'])
  })

  it('names the part that is missing', async () => {
    assert.deepEqual(failed(await send([{ field: 'file', value: bytes }])), [
      412,
      '空指针异常',
      [{ path: 'name', message: '缺少name参数' }],
    ])
    assert.deepEqual(failed(await send([{ field: 'name', value: 'a' }])), [
      412,
      '空指针异常',
      [{ path: 'file', message: '缺少file参数' }],
    ])
  })

  it('refuses a form that is none, or that holds too much', async () => {
    const url = `${PATHS.upload}?accessToken=${test.token}`
    const without = await test.ask({
      method: 'POST',
      url,
      headers: { 'content-type': 'multipart/form-data' },
      payload: 'x',
    })
    assert.equal(without.statusCode, 400)
    const cut = form([
      { field: 'name', value: 'a' },
      { field: 'file', value: bytes },
    ])
    assert.equal(
      (await test.ask({ method: 'POST', url, ...cut, payload: cut.payload.subarray(0, -40) })).statusCode,
      400,
    )
    const two = [
      { field: 'name', value: 'a' },
      { field: 'file', value: bytes },
      { field: 'file', value: bytes },
    ]
    assert.equal((await send(two)).statusCode, 400)
    const many = Array.from({ length: 30 }, (_, i) => ({ field: `f${i}`, value: 'x' }))
    assert.equal((await send(many)).statusCode, 400)
    assert.equal(
      (await test.ask({ method: 'POST', url, headers: { 'content-type': 'text/plain' }, payload: 'x' })).statusCode,
      415,
    )
  })

  it("gives links in the order asked, duplicates and all, and leaves out what is not the caller's", async () => {
    const other = await createApp(test.service.stores, { corporationId: 'other', corporationName: 'x', demo: false })
    const otherToken = await tokenFor(test.ask, other)
    const [a, b] = [await test.upload('a.txt', bytes), await test.upload('b.txt', bytes)]
    const item = ({ fileId, key }: { fileId: string; key: string }) => ({
      id: fileId,
      key,
      expiration: 9,
      more: 'ignored',
    })
    const asked = [item(b), item(a), { ...item(a), id: 'unknown' }, { ...item(a), key: b.key }, item(b)]
    const links = (await test.call(PATHS.downloadUrls, asked)).json()
    assert.deepEqual(
      links.map(({ id, key }: { id: string; key: string }) => [id, key]),
      [b, a, b].map((one) => [one.fileId, one.key]),
    )
    assert.deepEqual(Object.keys(links[0]), ['id', 'key', 'url', 'thumbUrl'])
    assert.deepEqual((await test.call(PATHS.downloadUrls, [])).json(), [])
    const foreign = await test.ask({
      method: 'POST',
      url: `${PATHS.downloadUrls}?accessToken=${otherToken}`,
      payload: [item(a)],
    })
    assert.deepEqual([foreign.statusCode, foreign.json()], [200, []])
  })

  it('names every item and field that is wrong', async () => {
    for (const expiration of [0, -1, 1.5, 'x', '1000', null, true, 1e300]) {
      const [status, message, details] = failed(
        await test.call(PATHS.downloadUrls, [
          { id: 'a', key: 'b', expiration: 1 },
          { id: 'a', key: 'b', expiration },
        ]),
      )
      assert.equal(status, 400)
      assert.match(String(message), /^\[1\]\.expiration/)
      assert.deepEqual(
        (details as { path: string }[]).map(({ path }) => path),
        ['[1].expiration'],
      )
    }
    const answer = await test.call(PATHS.downloadUrls, [null, {}, { id: '', key: 7, expiration: 1 }])
    assert.deepEqual(
      answer.json().errorDetails.map(({ path }: { path: string }) => path),
      ['[0]', '[1].id', '[1].key', '[1].expiration', '[2].id', '[2].key'],
    )
    const overflow = await test.ask({
      method: 'POST',
      url: `${PATHS.downloadUrls}?accessToken=${test.token}`,
      headers: { 'content-type': 'application/json; charset=UTF-8' },
      payload: '[{"id":"a","key":"b","expiration":1e400}]',
    })
    assert.equal(overflow.statusCode, 400)
  })

  it('refuses a body that is no array, no JSON, too deep, too long or of another type', async () => {
    const url = `${PATHS.downloadUrls}?accessToken=${test.token}`
    const raw = (payload: string, type = 'application/json') =>
      test.ask({ method: 'POST', url, headers: { 'content-type': type }, payload })
    for (const body of [
      '{}',
      '"x"',
      '7',
      'null',
      '[',
      '',
      '{"a":1',
      `${'['.repeat(33)}${']'.repeat(33)}`,
      '[{"__proto__":1}]',
    ]) {
      assert.deepEqual(failed(await raw(body)).slice(0, 2), [412, 'JSON请求参数不正确'], body)
    }
    assert.equal((await raw('[]', 'text/plain')).statusCode, 415)
    assert.equal((await raw(`[${'7,'.repeat(10_000)}7]`)).statusCode, 400)
    assert.match((await raw(`[${'7,'.repeat(10_000)}7]`)).json().errorMessage, /10000/)
    assert.equal((await raw(`[${' '.repeat(17 * 1024 * 1024)}]`)).statusCode, 413)
  })

  it('says which methods a path has, and which paths there are not', async () => {
    const wrong = await test.ask({ method: 'GET', url: PATHS.downloadUrls })
    assert.deepEqual([...failed(wrong).slice(0, 2), wrong.headers.allow], [405, 'Error 405 Method Not Allowed', 'POST'])
    assert.deepEqual(failed(await test.ask({ method: 'GET', url: '/api/openapi/v9/nothing' })).slice(0, 2), [
      404,
      'Error 404 Not Found',
    ])
    assert.equal((await test.ask({ url: '/api/%' })).statusCode, 400)
  })

  it('answers a fault with the request id and without a word of what it was', async () => {
    const { attachments } = test.service.stores.records
    const { add } = attachments
    attachments.add = () => Promise.reject(new Error('secret detail at /some/path'))
    const answer = await send([
      { field: 'name', value: 'a' },
      { field: 'file', value: bytes },
    ])
    attachments.add = add
    assert.equal(answer.statusCode, 500)
    assert.ok(answer.json().errorMessage.includes(answer.headers['x-request-id']))
    assert.doesNotMatch(answer.body, /secret detail|\/some\/path|at /)
    assert.ok(
      test.log.some((line) => line.includes('secret detail') && line.includes(String(answer.headers['x-request-id']))),
    )
  })

  it('is watched without a secret in its log', async () => {
    await test.call(PATHS.downloadUrls, [])
    const { url } = await test.link(await test.upload('a.txt', bytes))
    await test.ask({ url })
    await test.ask({
      method: 'POST',
      url: PATHS.getAccessToken,
      payload: `{"appSecurity":"${test.app.appSecurity}`,
      headers: { 'content-type': 'application/json' },
    })
    const query = new URLSearchParams(url.split('?')[1])
    const secrets = [test.token, test.app.appSecurity, query.get('Signature') ?? '', query.get('security-token') ?? '']
    for (const secret of secrets) {
      for (const spelling of [secret, encodeURIComponent(secret)])
        assert.ok(!test.log.join('').includes(spelling), spelling)
    }
  })

  it('tells an operator that it lives, is ready, and what it did', async () => {
    assert.equal((await test.ask({ url: '/livez' })).statusCode, 200)
    assert.equal((await test.ask({ url: '/readyz' })).statusCode, 200)
    const { body } = await test.ask({ url: '/metrics' })
    assert.match(body, /attache_request_seconds_count\{route="\/api\/openapi\/v2\/attachment\/upload"/)
    assert.match(body, /attache_refusals_total\{code="InvalidName"\}/)
    assert.equal((await test.ask({ url: '/metrics', remoteAddress: '10.0.0.1' })).statusCode, 404)
    test.service.drain()
    const draining = await test.ask({ url: '/readyz' })
    assert.deepEqual([draining.statusCode, draining.headers['retry-after']], [503, '1'])
  })

  async function stored(): Promise<string[]> {
    const names = await readdir(test.data, { recursive: true })
    return names.filter((name) => /blobs\/..\/|tmp\//.test(name))
  }
})
