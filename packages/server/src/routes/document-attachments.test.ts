import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { PATHS } from '@attache/protocol'
import { DocumentAttachments } from '@attache/protocol/schemas'
import Type from 'typebox'
import { Compile } from 'typebox/compile'
import { createApp } from '../commands/app.ts'
import { type TestService, testService, tokenFor } from '../service.fixture.ts'

type Triple = Awaited<ReturnType<TestService['upload']>>

describe("documents' attachments", () => {
  let test: TestService
  let files: Triple[]
  before(async () => {
    // Limits of downloadurls are not those of this operation.
    test = await testService({ ATTACHE_DOWNLOAD_LIMITS: 'revised' })
    files = await Promise.all([0, 1, 2, 3, 4, 5, 6].map((n) => test.upload(`附件${n}.txt`, Buffer.from(`bytes ${n}`))))
  })
  after(() => test[Symbol.asyncDispose]())

  const create = async (body: unknown) => (await test.call(PATHS.createDocument, body)).json().flow
  const put = (id: string, body: unknown, query: string) =>
    test.ask({
      method: 'PUT',
      url: `${PATHS.createDocument}/$${id}?accessToken=${test.token}&${query}`,
      payload: body as object,
    })
  const list = async (...flowIds: string[]) => {
    const answer = await test.call(PATHS.documentAttachments, { flowIds })
    assert.equal(answer.statusCode, 200, answer.body)
    assert.ok(Compile(Type.Object({ items: Type.Array(DocumentAttachments) })).Check(answer.json()))
    return answer.json().items
  }
  /** Groups without their links. */
  const names = (item: { attachmentList: Record<string, unknown>[] }) =>
    item.attachmentList.map((group) =>
      Object.fromEntries(
        Object.entries(group).map(([name, value]) => [
          name,
          Array.isArray(value) ? value.map(({ key }) => files.findIndex((file) => file.key === key)) : value,
        ]),
      ),
    )

  it('are listed by where they stand, each with a link of one hour', async () => {
    const [a, b, c, d, e, f, g] = files
    const { id, form } = await create({
      form: {
        formType: 'loan',
        attachments: [a, { ...b, fileName: '另一个名字.txt' }],
        details: [
          { feeTypeForm: { detailId: 'detail-1', invoiceForm: { attachments: [d] } } },
          { feeTypeForm: { attachments: [c, a], invoiceForm: { attachments: [e] } } },
          { feeTypeForm: { attachments: [] } },
        ],
      },
      logs: [{ action: 'freeflow.agree', attachments: [f] }, { attachments: [a] }],
      receipts: [g],
    })
    const [item] = await list(id)
    assert.deepEqual([item.flowId, item.flowCode, item.fromType], [id, form.code, 'loan'])
    assert.deepEqual(names(item), [
      { type: 'flow.body', attachmentUrls: [0, 1] },
      { type: 'flow.free', freeId: 'detail-1', attachmentUrls: [], invoiceUrls: [3] },
      { type: 'flow.free', freeId: form.details[1].feeTypeForm.detailId, attachmentUrls: [2, 0], invoiceUrls: [4] },
      { type: 'flow.approving', attachmentUrls: [5, 0] },
      { type: 'flow.receipt', receiptUrls: [6] },
    ])
    const [first, second] = item.attachmentList[0].attachmentUrls
    assert.deepEqual(Object.keys(first), ['key', 'url', 'fileId', 'fileName'])
    assert.deepEqual([first.fileId, first.fileName, second.fileName], [a?.fileId, '附件0.txt', '另一个名字.txt'])
    assert.deepEqual(Object.keys(item.attachmentList[4].receiptUrls[0]), ['url', 'key'])
    const path = first.url.replace('http://attache.test', '')
    assert.equal((await test.ask({ url: path })).body, 'bytes 0')
    assert.equal(new URL(first.url).searchParams.get('Expires'), String(test.clock.now / 1000 + 3600))
    test.clock.now += 3_601_000
    assert.equal((await test.ask({ url: path })).statusCode, 403)
  })

  it('follow covers and increments', async () => {
    const [a, b, c, d] = files
    const body = {
      form: { attachments: [a], details: [{ feeTypeForm: { detailId: 'x', attachments: [b] } }] },
      receipts: [c],
    }
    const { id } = await create(body)
    await put(id, { form: { title: 'x' } }, 'editFlag=increment')
    const free = { type: 'flow.free', freeId: 'x', attachmentUrls: [1], invoiceUrls: [] }
    const receipt = { type: 'flow.receipt', receiptUrls: [2] }
    assert.deepEqual(names((await list(id))[0]), [{ type: 'flow.body', attachmentUrls: [0] }, free, receipt])
    await put(id, { form: { attachments: [d, a] }, logs: [{ attachments: [b] }] }, 'editFlag=increment')
    const approving = { type: 'flow.approving', attachmentUrls: [1] }
    assert.deepEqual(names((await list(id))[0]), [
      { type: 'flow.body', attachmentUrls: [3, 0] },
      free,
      approving,
      receipt,
    ])
    await put(id, { form: { title: 'y' } }, 'editFlag=cover')
    assert.deepEqual(names((await list(id))[0]), [approving, receipt])
    await put(id, { form: { attachments: null }, logs: [], receipts: [] }, 'editFlag=cover')
    assert.deepEqual(names((await list(id))[0]), [])
  })

  it('are left out once they were removed, and do not keep their document from being changed', async () => {
    const gone = await test.upload('gone.txt', Buffer.from('x'))
    const { id } = await create({ form: { attachments: [gone, files[0]] } })
    await test.service.stores.records.attachments.remove(gone.fileId, 1)
    await new Promise((resolve) => setTimeout(resolve, 400))
    assert.deepEqual(names((await list(id))[0]), [{ type: 'flow.body', attachmentUrls: [0] }])
    assert.equal((await put(id, { form: { title: 'x' } }, 'editFlag=increment')).statusCode, 200)
    assert.equal((await put(id, { form: { attachments: [gone] } }, 'editFlag=increment')).statusCode, 400)
  })

  it('of a hundred documents come with one query for the documents and one for the links', async (t) => {
    const { records } = test.service.stores
    const attachments = [files[0], ...(await Promise.all([1, 2].map((n) => test.upload(`${n}.txt`, Buffer.from('x')))))]
    const ids: string[] = []
    for (let n = 0; n < 100; n++)
      ids.push((await create({ form: { attachments, details: [{ feeTypeForm: { attachments } }] } })).id)
    const { byFileIds } = records.attachments
    const { listings } = records.documents
    let queries = 0
    records.attachments.byFileIds = (fileIds) => {
      queries++
      return byFileIds(fileIds)
    }
    records.documents.listings = (flowIds) => {
      queries++
      return listings(flowIds)
    }
    const start = performance.now()
    const items = await list(...ids)
    const ms = Math.round(performance.now() - start)
    records.attachments.byFileIds = byFileIds
    records.documents.listings = listings
    t.diagnostic(`100 documents with 600 links in ${ms} ms`)
    assert.deepEqual(
      items.map(({ flowId }: { flowId: string }) => flowId),
      ids,
    )
    assert.ok(queries <= 2 && ms < 5000)
    assert.equal((await list(ids[3] ?? '', ids[1] ?? '', ids[3] ?? '')).length, 3)
  })

  it('are refused for a document that is unknown, removed or of another corporation', async () => {
    const other = await createApp(test.service.stores, { corporationId: 'other', corporationName: 'x', demo: false })
    const token = await tokenFor(test.ask, other)
    const [mine, removed] = [await create({ form: {} }), await create({ form: {} })]
    const unknown = await test.call(PATHS.documentAttachments, { flowIds: [mine.id, 'unknown', '\u0000'] })
    assert.deepEqual(
      [unknown.statusCode, unknown.json().errorCode, unknown.json().errorMessage, unknown.json().errorDetails[0].path],
      [400, 400, '单据不存在', 'flowIds[1]'],
    )
    const foreign = await test.ask({
      method: 'POST',
      url: `${PATHS.documentAttachments}?accessToken=${token}`,
      payload: { flowIds: [mine.id] },
    })
    assert.deepEqual([foreign.statusCode, foreign.json().errorMessage], [400, '单据不存在'])
    await test.service.stores.records.documents.remove('corporation', removed.form.code, 1)
    const answer = await test.call(PATHS.documentAttachments, { flowIds: [removed.id] })
    assert.deepEqual([answer.statusCode, answer.json().errorMessage], [412, '单据已删除'])
  })

  it('are asked for with at most a hundred ids', async () => {
    const { id } = await create({ form: {} })
    const ask = (body: unknown) => test.call(PATHS.documentAttachments, body)
    assert.deepEqual((await ask({ flowIds: [] })).json(), { items: [] })
    assert.equal((await ask({ flowIds: Array.from({ length: 100 }, () => id) })).json().items.length, 100)
    const over = await ask({ flowIds: Array.from({ length: 101 }, () => id) })
    assert.deepEqual([over.statusCode, over.json().errorMessage], [400, '单次请求的单据数量不能超过100'])
    for (const body of [{}, { flowIds: id }, { flowIds: [1] }]) assert.equal((await ask(body)).statusCode, 400)
    for (const body of [[], 7, null]) assert.equal((await ask(body)).statusCode, 412)
  })

  it('are not listed without end', async () => {
    const attachments = Array.from({ length: 5000 }, () => ({ key: files[0]?.key, fileId: files[0]?.fileId }))
    const { id } = await create({ form: { attachments } })
    const [item] = await list(id)
    assert.equal(item.attachmentList[0].attachmentUrls[4999].fileName, '附件0.txt')
    const answer = await test.call(PATHS.documentAttachments, { flowIds: [id, id, id, id, id] })
    assert.deepEqual([answer.statusCode, answer.json().errorMessage.includes('20000')], [400, true])
  })
})
