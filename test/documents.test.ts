import assert from 'node:assert/strict'
import { hash, randomBytes } from 'node:crypto'
import { after, test } from 'node:test'
import { bytesOf, startAttache, type Uploaded } from './server.ts'
import { done, verb } from './verbs.ts'

const CREATE = '/api/openapi/v2.2/flow/data'
const BY_CODE = '/api/openapi/v1.1/flowDetails/byCode'
const LISTED = '/api/openapi/v1/flowDetails/attachment'

const attache = await startAttache()
after(() => attache.stop())
const token = attache.token()

async function call(path: string, options: { method?: string; body?: string } = {}): Promise<[number, string]> {
  const headers = { authorization: `Bearer ${await token}`, 'content-type': 'application/json' }
  const response = await fetch(attache.url + path, { ...options, headers })
  return [response.status, await response.text()]
}

async function created(form: string): Promise<{ id: string; code: string }> {
  const [status, text] = await call(CREATE, { method: 'POST', body: `{"form":${form}}` })
  assert.equal(status, 200, text)
  const { flow } = JSON.parse(text)
  return { id: flow.id, code: flow.form.code }
}

interface Listed {
  attachmentList: { type: string; attachmentUrls: { key: string; url: string }[]; invoiceUrls?: { url: string }[] }[]
}

test('three files go from upload by way of a document and its code to the bytes that were sent', async () => {
  const files = ['票据.pdf', '明细.png', '发票.ofd'].map((name) => ({ name, bytes: randomBytes(100_000) }))
  const [body, detail, invoice] = await Promise.all(files.map(({ name, bytes }) => attache.upload(name, bytes)))
  const feeTypeForm = { attachments: [detail], invoiceForm: { attachments: [invoice] } }
  const { id, code } = await created(JSON.stringify({ attachments: [body], details: [{ feeTypeForm }] }))

  const [, found] = await call(`${BY_CODE}?code=${code}`)
  const { form } = JSON.parse(found).value as { form: { attachments: Uploaded[]; details: Detail[] } }
  const triples = [
    ...form.attachments,
    ...form.details.flatMap(({ feeTypeForm: { attachments, invoiceForm } }) => [
      ...attachments,
      ...invoiceForm.attachments,
    ]),
  ]
  const links = await attache.links(triples.map(({ fileId, key }) => ({ id: fileId, key, expiration: 1000 })))
  assert.deepEqual(await contentsOf(links), hashesOf(files))

  const [, text] = await call(LISTED, { method: 'POST', body: JSON.stringify({ flowIds: [id] }) })
  const [{ attachmentList }] = (JSON.parse(text) as { items: [Listed] }).items
  assert.deepEqual(
    attachmentList.map(({ type }) => type),
    ['flow.body', 'flow.free'],
  )
  const listed = attachmentList.flatMap(({ attachmentUrls, invoiceUrls = [] }) => [...attachmentUrls, ...invoiceUrls])
  assert.deepEqual(await contentsOf(listed), hashesOf(files))
})

interface Detail {
  feeTypeForm: { attachments: Uploaded[]; invoiceForm: { attachments: Uploaded[] } }
}

function hashesOf(files: readonly { bytes: Uint8Array }[]): string[] {
  return files.map(({ bytes }) => hash('sha256', bytes))
}

async function contentsOf(links: readonly { url: string }[]): Promise<string[]> {
  return Promise.all(links.map(async ({ url }) => hash('sha256', await bytesOf(await fetch(url)))))
}

test('a document comes back over a socket as it was spelt, its $ as it is in the path', async () => {
  const { id, code } = await created('{ "10": 1.10, "2": 12345678901234567890 }')
  const [status, text] = await call(`${CREATE}/$${id}?editFlag=increment`, {
    method: 'PUT',
    body: '{"form":{"e":1e5}}',
  })
  assert.equal(status, 200, text)
  const [, found] = await call(`${BY_CODE}?code=${code}`)
  assert.ok(found.includes(`{ "10": 1.10, "2": 12345678901234567890,"code":"${code}","e":1e5 }`), found)
})

test('document remove ends a document while the service runs, and frees its outerCode', async () => {
  const { data, corporationId } = attache
  const { code } = await created('{"outerCode":"WB-1"}')
  const args = ['document', 'remove', code, '--corporation', corporationId]
  assert.match(await done(args, data), new RegExp(code))
  const [status, text] = await call(`${BY_CODE}?code=${code}`)
  assert.deepEqual([status, JSON.parse(text).errorMessage], [412, '单据已删除'])
  await created('{"outerCode":"WB-1"}')
  for (const wrong of [args, args.slice(0, 3), ['document', 'show', code, '--corporation', corporationId]]) {
    const { code: exit, stderr } = await verb(wrong, { env: { ATTACHE_DATA: data } })
    assert.equal(exit, 2, wrong.join(' '))
    assert.match(stderr, /document/)
  }
})
