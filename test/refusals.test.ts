import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { readdirSync } from 'node:fs'
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { after, test } from 'node:test'
import { bytesOf, DOWNLOAD_URLS, formOf, GET_ACCESS_TOKEN, postForm, startAttache, UPLOAD } from './server.ts'

const MEBIBYTE = 1024 * 1024
const LIMIT = 30 * MEBIBYTE
const TOO_LARGE = '上传附件大小不可超过30Mb'

const attache = await startAttache()
after(() => attache.stop())
const token = attache.token()

test('takes 30 MiB to the byte', async () => {
  const bytes = randomBytes(LIMIT)
  const uploaded = await attache.upload('刚好.bin', bytes)
  const response = await fetch((await attache.linkOf(uploaded)).url)
  assert.ok(bytes.equals(await bytesOf(response)))
})

const LARGE: [string, number, boolean][] = [
  ['a byte more than 30 MiB', LIMIT + 1, false],
  ['a byte more than 30 MiB when the file comes before its name', LIMIT + 1, true],
  ['45 MiB, of which 15 are still on their way', 45 * MEBIBYTE, false],
  ['45 MiB when the file comes before its name', 45 * MEBIBYTE, true],
]

for (const [what, size, fileFirst] of LARGE) {
  test(`refuses ${what} with the published 412, and keeps nothing of it`, async () => {
    const form = new FormData()
    if (!fileFirst) form.append('name', '太大.bin')
    form.append('file', new Blob([Buffer.alloc(size)]), 'file')
    if (fileFirst) form.append('name', '太大.bin')
    await refused(await postForm(attache.url, await token, form), 412, TOO_LARGE)
    assert.deepEqual(await readdir(join(attache.data, 'tmp')), [])
    assert.deepEqual(blobsAndRecords(attache.data), [1, 1])
  })
}

test('refuses a body far over the limit unread', async () => {
  const form = formOf('远超.bin', Buffer.alloc(70 * MEBIBYTE))
  await refused(await postForm(attache.url, await token, form), 413, '413 Request Entity Too Large')
})

for (const [missing, other] of [
  ['name', 'file'],
  ['file', 'name'],
] as const) {
  test(`answers an upload without ${missing} with the published 412, and says which part is missing`, async () => {
    const form = new FormData()
    form.append(other, other === 'file' ? new Blob(['x']) : 'x.txt')
    const body = await refused(await postForm(attache.url, await token, form), 412, '空指针异常')
    assert.deepEqual(
      body.errorDetails?.map(({ path }) => path),
      [missing],
    )
  })
}

const NOT_ALLOWED: [string, string, string][] = [
  ['GET', UPLOAD, 'POST'],
  ['PUT', DOWNLOAD_URLS, 'POST'],
  ['GET', DOWNLOAD_URLS, 'POST'],
  ['DELETE', GET_ACCESS_TOKEN, 'POST'],
  ['POST', '/api/openapi/v2/location', 'GET'],
]

for (const [method, path, allow] of NOT_ALLOWED) {
  test(`answers ${method} ${path} with 405 and what is allowed`, async () => {
    const response = await fetch(`${attache.url}${path}?accessToken=${await token}`, { method })
    await refused(response, 405, 'Error 405 Method Not Allowed')
    assert.equal(response.headers.get('allow'), allow)
  })
}

const NOT_JSON: [string, string][] = [
  ['half an array', '[{"id":'],
  ['nothing', ''],
  ['an object', '{}'],
  ['a string', '"x"'],
  ['null', 'null'],
  ['arrays a thousand deep', '['.repeat(1000)],
  ['a prototype', '[{"__proto__":{"id":"x"},"id":"a","key":"b","expiration":1}]'],
]

for (const [what, body] of NOT_JSON) {
  test(`answers ${what} in place of the array with 412`, async () => {
    await refused(await send(DOWNLOAD_URLS, 'application/json', body), 412, 'JSON请求参数不正确')
  })
}

for (const [path, type] of [
  [DOWNLOAD_URLS, 'text/plain'],
  [DOWNLOAD_URLS, 'application/x-www-form-urlencoded'],
  [UPLOAD, 'application/json'],
  [UPLOAD, 'application/octet-stream'],
] as const) {
  test(`answers ${type} at ${path.slice(path.lastIndexOf('/'))} with 415`, async () => {
    await refused(await send(path, type, '[]'), 415)
  })
}

test('answers a form without a boundary, or one that breaks off, with 400', async () => {
  await refused(await send(UPLOAD, 'multipart/form-data', 'x'), 400)
  const half = '--e\r\nContent-Disposition: form-data; name="name"\r\n\r\na.txt\r\n--e\r\nContent-Disposition: form'
  const { status } = await send(UPLOAD, 'multipart/form-data; boundary=e', half)
  assert.ok(status === 400 || status === 412, String(status))
})

test('answers an unknown path of the API with 404 in JSON', async () => {
  await refused(await fetch(`${attache.url}/api/openapi/v2/attachment/none`), 404, 'Error 404 Not Found')
})

test('answers wrong credentials, and a token that it never gave, with the published 403', async () => {
  const { appKey } = attache
  const wrong = JSON.stringify({ appKey, appSecurity: 'wrong' })
  await refused(await send(GET_ACCESS_TOKEN, 'application/json', wrong), 403, '密钥无效')
  await refused(await send(GET_ACCESS_TOKEN, 'application/json', '{}'), 403, '密钥无效')
  await refused(await fetch(`${attache.url}${DOWNLOAD_URLS}?accessToken=no`, { method: 'POST' }), 403, '未授权')
})

test('has logged no fault by its end', async () => {
  await attache.stop()
  assert.equal(attache.stderr(), '')
})

interface Refusal {
  errorCode: number
  errorMessage: string
  errorDetails: { path: string }[] | null
}

async function refused(response: Response, status: number, sentence?: string): Promise<Refusal> {
  assert.equal(response.headers.get('content-type'), 'application/json; charset=utf-8')
  assert.match(response.headers.get('x-request-id') ?? '', /^[0-9A-F]{24}$/)
  const body = (await response.json()) as Refusal
  assert.deepEqual(Object.keys(body), ['errorCode', 'errorMessage', 'errorDetails', 'code', 'data'])
  assert.deepEqual([response.status, body.errorCode], [status, status], body.errorMessage)
  if (sentence !== undefined) assert.equal(body.errorMessage, sentence)
  return body
}

async function send(path: string, type: string, body: string): Promise<Response> {
  const options = { method: 'POST', headers: { 'content-type': type }, body }
  return fetch(`${attache.url}${path}?accessToken=${await token}`, options)
}

function blobsAndRecords(data: string): [number, number] {
  using database = new DatabaseSync(join(data, 'records.sqlite'), { readOnly: true })
  const { rows } = database.prepare('select count(*) as rows from attachments').get() as { rows: number }
  return [
    readdirSync(join(data, 'blobs'), { recursive: true, withFileTypes: true }).filter((it) => it.isFile()).length,
    rows,
  ]
}
