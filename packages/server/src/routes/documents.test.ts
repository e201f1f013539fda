import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { PATHS } from '@attache/protocol'
import { FoundDocument, SavedDocument } from '@attache/protocol/schemas'
import type { Response } from 'light-my-request'
import { Compile } from 'typebox/compile'
import { documents as documentsRoom } from '../attachments/documents.ts'
import { createApp } from '../commands/app.ts'
import { type TestService, testService, tokenFor } from '../service.fixture.ts'

describe('documents', () => {
  let test: TestService
  let foreign: string
  before(async () => {
    test = await testService()
    const app = await createApp(test.service.stores, { corporationId: 'other', corporationName: 'x', demo: false })
    foreign = await tokenFor(test.ask, app)
  })
  after(() => test[Symbol.asyncDispose]())

  const send = (method: 'POST' | 'PUT' | 'GET', path: string, body?: unknown, token = test.token) =>
    test.ask({
      method,
      url: path,
      headers: { authorization: `Bearer ${token}`, ...(body !== undefined && { 'content-type': 'application/json' }) },
      ...(body !== undefined && {
        payload: typeof body === 'string' || Buffer.isBuffer(body) ? body : JSON.stringify(body),
      }),
    })
  const create = (body: unknown, query = '') => send('POST', `${PATHS.createDocument}${query}`, body)
  const update = (id: string, body: unknown, query = '') => send('PUT', `${PATHS.createDocument}/$${id}${query}`, body)
  const byId = (id: string, token?: string) => send('GET', `${PATHS.document}?flowId=${id}`, undefined, token)
  const byCode = (code: string, token?: string) =>
    send('GET', `${PATHS.documentByCode}?code=${encodeURIComponent(code)}`, undefined, token)
  const created = async (form: unknown, query = '') => {
    const answer = await create({ form }, query)
    assert.equal(answer.statusCode, 200, answer.body)
    return answer.json().flow
  }
  const failed = (answer: Response) => {
    const { errorCode, errorMessage, errorDetails } = answer.json()
    assert.equal(errorCode, answer.statusCode)
    return [errorCode, errorMessage, errorDetails?.map(({ path }: { path: string }) => path)]
  }

  it('are found by id and by code as they were saved', async () => {
    const answer = await create({ form: { title: '报销', outerCode: 'WB-1' }, params: { anything: 1 } })
    const saved = answer.json()
    assert.ok(Compile(SavedDocument).Check(saved))
    assert.deepEqual([saved.value, saved.type, 'code' in saved, 'errorCode' in saved], ['', -1, false, false])
    const { flow } = saved
    assert.match(String(flow.form['code']), /^B26\d{6}$/)
    assert.deepEqual(flow, {
      id: flow.id,
      corporationId: 'corporation',
      active: true,
      version: 1,
      createTime: test.clock.now,
      updateTime: test.clock.now,
      state: 'draft',
      formType: 'expense',
      form: { title: '报销', outerCode: 'WB-1', code: flow.form['code'] },
      logs: [],
    })
    for (const found of [await byId(flow.id), await byCode(String(flow.form['code']))]) {
      assert.deepEqual([found.statusCode, found.json()], [200, { value: flow }])
      assert.ok(Compile(FoundDocument).Check(found.json()))
      assert.equal(found.headers['content-type'], 'application/json; charset=utf-8')
    }
  })

  it('are drafts, or in approval when they are handed in', async () => {
    for (const [query, state] of [
      ['', 'draft'],
      ['?isCommit=false', 'draft'],
      ['?isCommit=true&isUpdate=false', 'approving'],
      ['?isCommit=True', 'approving'],
    ] as const)
      assert.equal((await created({}, query)).state, state, query)
    assert.deepEqual(failed(await create({ form: {} }, '?isCommit=1')), [
      400,
      '参数isCommit必须为true或false',
      undefined,
    ])
  })

  it('take the type and the code that they are sent with', async () => {
    assert.equal((await created({ formType: 'loan' })).formType, 'loan')
    assert.equal((await create({ form: {}, params: { formType: 'custom' } })).json().flow.formType, 'custom')
    const { id } = await created({ code: '我的-1' })
    assert.equal((await byCode('我的-1')).json().value.id, id)
    assert.deepEqual(failed(await create({ form: { code: '我的-1' } })).slice(0, 2), [
      400,
      '单据编号code已存在单据，不允许重复，请检查',
    ])
  })

  it('have the year of China in their code', async () => {
    await using service = await testService()
    service.clock.now = Date.UTC(2026, 11, 31, 16, 0, 0)
    const token = await tokenFor(service.ask, service.app)
    const url = `${PATHS.createDocument}?accessToken=${token}`
    const answer = await service.ask({ method: 'POST', url, payload: { form: {} } })
    assert.equal(answer.json().flow.form.code, 'B27000001')
  })

  it('get codes of their own when many are created at once', async () => {
    const all = await Promise.all(Array.from({ length: 40 }, () => created({})))
    const numbers = all.map(({ form }) => Number(form.code.slice(3))).sort((a, b) => a - b)
    const [first = 0] = numbers
    assert.deepEqual(
      numbers,
      Array.from({ length: 40 }, (_, index) => first + index),
    )
  })

  it('are refused when their outerCode is there already, in the corporation', async () => {
    const sentence = '外部系统单据编号outerCode已存在单据，不允许重复，请检查'
    await created({ outerCode: 'WB-2' })
    assert.deepEqual(failed(await create({ form: { outerCode: 'WB-2' } })), [400, sentence, undefined])
    const { id } = await created({})
    assert.deepEqual(failed(await update(id, { form: { outerCode: 'WB-2' } })), [400, sentence, undefined])
    assert.equal((await send('POST', PATHS.createDocument, { form: { outerCode: 'WB-2' } }, foreign)).statusCode, 200)
  })

  it('are covered whole or changed by field, with their code, one version later each', async () => {
    const { id, form } = await created({ a: 1, b: 2, outerCode: 'WB-3', attachments: [] })
    const changed = await update(id, '{"form":{"b": 3.00,"code":"B99000001","c":[1e2]}}', '?editFlag=increment')
    assert.ok(
      changed.body.includes(`{"a":1,"b":3.00,"outerCode":"WB-3","attachments":[],"code":"${form.code}","c":[1e2]}`),
      changed.body,
    )
    const covered = await update(id, '{"form":{"z":1.50},"params":{"formType":"loan"}}')
    assert.ok(covered.body.includes(`"form":{"z":1.50,"code":"${form.code}"}`), covered.body)
    const { flow } = covered.json()
    assert.deepEqual([flow.version, flow.formType, flow.active], [3, 'loan', true])
    assert.ok(flow.updateTime > changed.json().flow.updateTime && flow.createTime === test.clock.now)
    assert.deepEqual((await byId(id)).json(), { value: flow })
    // The covered form gave the outerCode back.
    await created({ outerCode: 'WB-3' })
    assert.equal((await update(id, { form: {} }, '?editFlag=cover&editorId=x')).statusCode, 200)
    assert.equal((await update(id, { form: {} }, '?editFlag=merge')).statusCode, 400)
  })

  it('are reached with the dollar sign raw or encoded, and not without it', async () => {
    const { id } = await created({})
    for (const [dollar, status] of [
      ['$', 200],
      ['%24', 200],
      ['', 404],
      ['$$', 412],
    ])
      assert.equal((await send('PUT', `${PATHS.createDocument}/${dollar}${id}`, { form: {} })).statusCode, status)
    const wrong = await send('GET', `${PATHS.createDocument}/$${id}`)
    assert.deepEqual([wrong.statusCode, wrong.headers.allow], [405, 'PUT'])
    assert.equal((await send('GET', PATHS.createDocument)).headers.allow, 'POST')
  })

  it('keep every one of many updates at once, on one node and on several', async () => {
    const { id } = await created({})
    const answers = await Promise.all(
      Array.from({ length: 30 }, (_, index) => update(id, { form: { [`f${index}`]: index } }, '?editFlag=increment')),
    )
    assert.deepEqual(
      answers.map(({ statusCode }) => statusCode).filter((status) => status !== 200),
      [],
    )
    const { records } = test.service.stores
    const nodes = [1, 2, 3].map(() =>
      documentsRoom({ records: records.documents, attachments: { unknownAmong: async () => [] }, now: Date.now }),
    )
    const caller = { corporationId: 'corporation' }
    await Promise.all(
      nodes.map((node, index) => {
        const value = { form: { [`n${index}`]: index } }
        return node.update({ text: JSON.stringify(value), value }, { caller, flowId: id, edit: 'increment' })
      }),
    )
    const { form, version } = (await byId(id)).json().value
    assert.equal(version, 34)
    assert.equal(Object.keys(form).filter((name) => /^[fn]\d+$/.test(name)).length, 33)
  })

  it('answer 503 when other nodes will not let them be changed', async () => {
    const { records } = test.service.stores
    const { id } = await created({})
    const { replace } = records.documents
    records.documents.replace = async () => 'stale'
    const answer = await update(id, { form: {} })
    records.documents.replace = replace
    assert.deepEqual([answer.statusCode, answer.headers['retry-after']], [503, '1'])
  })

  it('are unknown to other corporations, and when they never were', async () => {
    const { id, form } = await created({})
    const unknown = [
      await byId(id, foreign),
      await byCode(form.code, foreign),
      await send('PUT', `${PATHS.createDocument}/$${id}`, { form: {} }, foreign),
      await byId('unknown'),
      await byId('%00'),
      await byId(''),
      await send('GET', PATHS.document),
      await byCode('B00000000'),
      await send('GET', PATHS.documentByCode),
      await update('unknown', { form: {} }),
    ]
    for (const answer of unknown) assert.deepEqual(failed(answer), [412, '单据不存在', undefined])
    assert.equal((await send('GET', `${PATHS.document}?flowId=${id}`, undefined, 'nobody')).statusCode, 403)
  })

  it('say that they were removed', async () => {
    const { id, form } = await created({ outerCode: 'WB-4' })
    await test.service.stores.records.documents.remove('corporation', form.code, 1)
    for (const answer of [await byId(id), await byCode(form.code), await update(id, { form: {} })])
      assert.deepEqual(failed(answer), [412, '单据已删除', undefined])
    await created({ outerCode: 'WB-4' })
  })

  it('are refused with the path of every triple that names no attachment of the corporation', async () => {
    const own = await test.upload('a.txt', Buffer.from('a'))
    const other = await test.upload('b.txt', Buffer.from('b'))
    const bad = { ...own, key: other.key }
    const body = {
      form: {
        attachments: [own, bad],
        details: [
          { feeTypeForm: { attachments: [own] } },
          { feeTypeForm: { attachments: [{ fileId: 'x', key: 'y' }], invoiceForm: { attachments: [own, {}] } } },
        ],
      },
      logs: [{ attachments: [null] }],
      receipts: [own, 'x'],
    }
    const paths = [
      'form.attachments[1]',
      'form.details[1].feeTypeForm.attachments[0]',
      'form.details[1].feeTypeForm.invoiceForm.attachments[1]',
      'logs[0].attachments[0]',
      'receipts[1]',
    ]
    const { id } = await created({})
    for (const answer of [await create(body), await update(id, body), await update(id, body, '?editFlag=increment')])
      assert.deepEqual(failed(answer), [400, `${paths[0]}不是本企业的附件，请检查key和fileId`, paths])
    const stolen = await send('POST', PATHS.createDocument, { form: { attachments: [own] } }, foreign)
    assert.deepEqual(failed(stolen)[2], ['form.attachments[0]'])
    assert.equal((await create({ form: { attachments: [own] } })).statusCode, 200)
    assert.deepEqual(failed(await update('unknown', body)).slice(0, 2), [412, '单据不存在'])
  })

  it('are refused when the body is not one', async () => {
    for (const body of [
      '',
      '[]',
      '7',
      'null',
      '{',
      '{"form":{"__proto__":1}}',
      `{"form":${'['.repeat(33)}${']'.repeat(33)}}`,
    ])
      assert.deepEqual(failed(await create(body)).slice(0, 2), [412, 'JSON请求参数不正确'], body)
    assert.equal((await create(Buffer.from('{"form":{"a":"\xb7"}}', 'latin1'))).statusCode, 412)
    assert.deepEqual(failed(await create({})), [400, 'form必须为对象', ['form']])
    assert.deepEqual(
      failed(await create({ form: [], params: 1, logs: Array.from({ length: 1001 }), receipts: {} }))[2],
      ['form', 'params', 'logs', 'receipts'],
    )
    assert.equal(
      (await test.ask({ method: 'POST', url: `${PATHS.createDocument}?accessToken=${test.token}` })).statusCode,
      412,
    )
    assert.equal((await create(`{"form":{"a":"${'x'.repeat(2 * 1024 * 1024)}"}}`)).statusCode, 413)
    assert.equal((await create('\ufeff{"form":{}}')).statusCode, 200)
  })

  it('do not grow without end', async () => {
    const { id } = await created({})
    const big = 'x'.repeat(2_000_000)
    assert.equal((await update(id, { form: { a: big } }, '?editFlag=increment')).statusCode, 200)
    assert.equal((await update(id, { form: { b: big } }, '?editFlag=increment')).statusCode, 413)
    assert.equal((await update(id, { form: { a: big } }, '?editFlag=increment')).statusCode, 200)
  })
})
