import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { startAttache } from './server.ts'
import { done, verb } from './verbs.ts'

const CREATE = '/api/openapi/v2.2/flow/data'
const BY_CODE = '/api/openapi/v1.1/flowDetails/byCode'

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
