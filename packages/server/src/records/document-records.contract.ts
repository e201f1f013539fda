import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { it } from 'node:test'
import type { DocumentRecord, NewDocument } from './document-records.ts'
import type { RecordStore } from './record-store.ts'

/** The rules of `DocumentRecords`. */
export function documentRules(store: () => RecordStore, newCorporation: () => Promise<string>): void {
  const documents = () => store().documents
  const added = async (document: NewDocument): Promise<DocumentRecord> => {
    const record = await documents().add(document)
    assert.ok(typeof record !== 'string', String(record))
    return record
  }

  it('keeps a document byte for byte and finds it by id and by code', async () => {
    const corporationId = await newCorporation()
    const form = '{ "10":1.10, "2" : 12345678901234567890,"名":"café cafe\u0301 🧾 \\u0000" }'
    const document = await added(newDocument(corporationId, { code: 'mine', form: () => form, logs: '[ 1.0 ]' }))
    assert.deepEqual(await documents().byId(document.flowId), document)
    assert.deepEqual(await documents().byCode(corporationId, 'mine'), document)
    assert.deepEqual([document.form, document.version, document.deletedAt], [form, 1, null])
    assert.equal(await documents().byCode(corporationId, 'MINE'), undefined)
    assert.equal(await documents().byCode(await newCorporation(), 'mine'), undefined)
    assert.equal(await documents().byId('unknown'), undefined)
  })

  it('counts codes for each corporation and year, and writes them into the form', async () => {
    const [one, other] = [await newCorporation(), await newCorporation()]
    const codes = []
    for (const document of [
      newDocument(one),
      newDocument(one),
      newDocument(other),
      newDocument(one, { code: series(27) }),
    ])
      codes.push(await added(document))
    assert.deepEqual(
      codes.map(({ code }) => code),
      ['26-1', '26-2', '26-1', '27-1'],
    )
    assert.ok(codes.every(({ code, form }) => form === JSON.stringify({ code })))
  })

  it('gives each of many documents that are added at once a code of its own, without a gap', async () => {
    const corporationId = await newCorporation()
    const all = await Promise.all(Array.from({ length: 60 }, () => added(newDocument(corporationId))))
    assert.deepEqual(
      all.map(({ code }) => Number(code.slice(3))).sort((a, b) => a - b),
      Array.from({ length: 60 }, (_, index) => index + 1),
    )
  })

  it('passes over codes that callers brought', async () => {
    const corporationId = await newCorporation()
    for (const code of ['26-1', '26-2', '26-4']) await added(newDocument(corporationId, { code }))
    assert.equal((await added(newDocument(corporationId))).code, '26-3')
    assert.equal((await added(newDocument(corporationId))).code, '26-5')
  })

  it('refuses a code or an outerCode that is taken in the corporation, and uses up no code for it', async () => {
    const [one, other] = [await newCorporation(), await newCorporation()]
    await added(newDocument(one, { code: 'a', outerCode: 'x' }))
    assert.equal(await documents().add(newDocument(one, { code: 'a' })), 'code-taken')
    assert.equal(await documents().add(newDocument(one, { outerCode: 'x' })), 'outer-code-taken')
    assert.equal((await added(newDocument(one))).code, '26-1')
    await added(newDocument(other, { code: 'a', outerCode: 'x' }))
    const both = await Promise.all([1, 2].map(() => documents().add(newDocument(one, { outerCode: 'y' }))))
    assert.deepEqual(
      both.filter((outcome) => typeof outcome === 'string'),
      ['outer-code-taken'],
    )
  })

  it('lists many documents without their forms, removed ones too, and leaves out unknown ones', async () => {
    const corporationId = await newCorporation()
    const all = await Promise.all(
      Array.from({ length: 20 }, () => added(newDocument(corporationId, { attachments: '[1]' }))),
    )
    const [first] = all
    await documents().remove(corporationId, first?.code ?? '', 9)
    const listings = await documents().listings([...all.map(({ flowId }) => flowId), 'unknown'])
    assert.equal(listings.length, 20)
    const removed = listings.find(({ flowId }) => flowId === first?.flowId)
    assert.deepEqual(removed, {
      flowId: first?.flowId,
      corporationId,
      code: first?.code,
      formType: 'expense',
      attachments: '[]',
      deletedAt: 9,
    })
    assert.deepEqual(await documents().listings([]), [])
  })

  it('replaces the version before and no other', async () => {
    const corporationId = await newCorporation()
    const first = await added(newDocument(corporationId))
    const second: DocumentRecord = { ...first, version: 2, form: '{"a":2}', outerCode: 'x', updatedAt: 5, logs: '[2]' }
    const rivals = [second, { ...second, form: '{"a":3}' }]
    const outcomes = await Promise.all(rivals.map((rival) => documents().replace(rival)))
    assert.deepEqual([...outcomes].sort(), ['replaced', 'stale'])
    assert.deepEqual(await documents().byId(first.flowId), rivals[outcomes.indexOf('replaced')])
    assert.equal(await documents().replace({ ...second, version: 3 }), 'replaced')
    assert.equal(await documents().replace({ ...second, flowId: 'unknown', outerCode: null }), 'stale')
  })

  it('refuses to replace with an outerCode of another document', async () => {
    const corporationId = await newCorporation()
    await added(newDocument(corporationId, { outerCode: 'x' }))
    const other = await added(newDocument(corporationId))
    assert.equal(await documents().replace({ ...other, version: 2, outerCode: 'x' }), 'outer-code-taken')
    assert.deepEqual(await documents().byId(other.flowId), other)
  })

  it('removes a document once: emptied, its code kept and its outerCode free', async () => {
    const corporationId = await newCorporation()
    const document = await added(newDocument(corporationId, { outerCode: 'x', form: () => '{"secret":1}' }))
    assert.equal(await documents().remove('other', document.code, 7), false)
    assert.equal(await documents().remove(corporationId, document.code, 7), true)
    assert.equal(await documents().remove(corporationId, document.code, 8), false)
    const left = await documents().byCode(corporationId, document.code)
    assert.deepEqual([left?.deletedAt, left?.form, left?.outerCode], [7, '{}', null])
    assert.equal(await documents().replace({ ...document, version: 2 }), 'stale')
    assert.equal(await documents().add(newDocument(corporationId, { code: document.code })), 'code-taken')
    await added(newDocument(corporationId, { outerCode: 'x' }))
  })

  it('has no document of a corporation that is not there', async () => {
    await assert.rejects(documents().add(newDocument('nobody')))
  })
}

const series = (year: number) => ({ year, spell: (count: number) => `${year}-${count}` })

function newDocument(corporationId: string, more: Partial<NewDocument> = {}): NewDocument {
  return {
    flowId: randomBytes(8).toString('hex'),
    corporationId,
    code: series(26),
    outerCode: null,
    state: 'draft',
    formType: 'expense',
    form: (code) => JSON.stringify({ code }),
    attachments: '[]',
    logs: '[]',
    createdAt: 1_700_000_000_000,
    ...more,
  }
}
