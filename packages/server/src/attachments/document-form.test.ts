import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { Failure } from '../errors.ts'
import { codeSlot, mergedForm, readDocument } from './document-form.ts'
import { MAX_ATTACHMENTS, MAX_DETAILS } from './document-triples.ts'

function read(body: unknown) {
  let count = 0
  const text = typeof body === 'string' ? body : JSON.stringify(body)
  return readDocument({ text, value: JSON.parse(text) }, () => `id${++count}`)
}

const file = (id: string) => ({ key: `key-${id}`, fileId: id, fileName: `${id}.pdf` })

/** The paths that a form is refused for. */
function wrongIn(body: unknown): string[] {
  try {
    read(body)
  } catch (error) {
    assert.ok(error instanceof Failure)
    assert.equal(error.code, 'InvalidItems')
    const [first] = error.details ?? []
    assert.equal(error.message, `${first?.path}${first?.message}`)
    return error.details?.map(({ path }) => path) ?? []
  }
  return []
}

describe('a document that was sent', () => {
  it('holds its attachments where the contract has them, and nowhere else', () => {
    const { triples, places } = read({
      form: {
        attachments: [file('a'), file('b')],
        u_other: [file('ignored')],
        details: [
          { feeTypeForm: { attachments: [file('c')], invoiceForm: { type: 'exist', attachments: [file('d')] } } },
          { feeTypeForm: { detailId: 'mine', attachments: [], invoiceForm: null } },
          { feeTypeId: 'no form' },
          { feeTypeForm: { detailId: '', invoiceForm: { attachments: [file('e')] } } },
        ],
      },
      logs: [{ action: 'x' }, { attachments: [file('f')] }],
      receipts: [file('g')],
    })
    assert.deepEqual(
      triples.map(({ place, freeId, fileId, path }) => [place, freeId, fileId, path]),
      [
        ['body', undefined, 'a', 'form.attachments[0]'],
        ['body', undefined, 'b', 'form.attachments[1]'],
        ['free', 'id1', 'c', 'form.details[0].feeTypeForm.attachments[0]'],
        ['invoice', 'id1', 'd', 'form.details[0].feeTypeForm.invoiceForm.attachments[0]'],
        ['invoice', 'id2', 'e', 'form.details[3].feeTypeForm.invoiceForm.attachments[0]'],
        ['approving', undefined, 'f', 'logs[1].attachments[0]'],
        ['receipt', undefined, 'g', 'receipts[0]'],
      ],
    )
    assert.deepEqual([...places], ['body', 'free', 'invoice', 'approving', 'receipt'])
    assert.deepEqual([...read({ form: {} }).places], [])
  })

  it('finds triples without their ids too, so that they can be refused by their path', () => {
    const { triples } = read({
      form: { attachments: [null, 7, 'x', [], {}, { fileId: 1, key: 2 }, { fileId: 'a\u0000' }] },
    })
    assert.deepEqual(
      triples.map(({ fileId, key }) => [fileId, key]),
      Array.from({ length: 7 }, () => ['', '']),
    )
  })

  it('keeps its spelling, and gives an id to each detail without one', () => {
    const { form } = read(
      '{"params":{},"form": { "details" : [ {"feeTypeForm":{ "a":1.10 }} , {"feeTypeForm":{"detailId":"x"}}, {"feeTypeForm":{"detailId":null}},{} , {"feeTypeForm":{}} ], "9":1e5,"1":2 } }',
    )
    assert.equal(
      form,
      '{ "details" : [ {"feeTypeForm":{ "a":1.10,"detailId":"id1" }} , {"feeTypeForm":{"detailId":"x"}}, {"feeTypeForm":{"detailId":"id2"}},{} , {"feeTypeForm":{"detailId":"id3"}} ], "9":1e5,"1":2 }',
    )
  })

  it('tells an outerCode that is left out from one that is emptied', () => {
    assert.equal(read({ form: {} }).outerCode, undefined)
    assert.equal(read({ form: { outerCode: null } }).outerCode, null)
    assert.equal(read({ form: { outerCode: '' } }).outerCode, null)
    assert.equal(read({ form: { outerCode: 'WB-1' } }).outerCode, 'WB-1')
  })

  it('has the form type of its params, or else of its form', () => {
    assert.equal(read({ form: { formType: 'loan' }, params: { formType: 'custom' } }).formType, 'custom')
    assert.equal(read({ form: { formType: 'loan' }, params: null }).formType, 'loan')
    assert.equal(read({ form: {} }).formType, undefined)
  })

  it('keeps its logs as they were spelt', () => {
    assert.equal(read('{"form":{},"logs":[ {"time":1.0} ]}').logs, '[ {"time":1.0} ]')
    assert.equal(read({ form: {} }).logs, undefined)
  })

  it('is refused with every field that is wrong', () => {
    assert.deepEqual(
      wrongIn({
        form: {
          code: 7,
          outerCode: 'a\u0000',
          attachments: {},
          details: [7, { feeTypeForm: [] }, { feeTypeForm: { detailId: 1, invoiceForm: 'x', attachments: 'x' } }],
        },
        params: { formType: 'x'.repeat(65) },
        logs: [{}, 7],
      }),
      [
        'form.attachments',
        'form.details[0]',
        'form.details[1].feeTypeForm',
        'form.details[2].feeTypeForm.detailId',
        'form.details[2].feeTypeForm.attachments',
        'form.details[2].feeTypeForm.invoiceForm',
        'logs[1]',
        'form.code',
        'form.outerCode',
        'formType',
      ],
    )
    assert.deepEqual(wrongIn({ form: { details: {} } }), ['form.details'])
    assert.deepEqual(wrongIn({ form: { code: 'x'.repeat(129) } }), ['form.code'])
    assert.deepEqual(wrongIn('{"form":{"code":"\\ud800"}}'), ['form.code'])
  })

  it('has no two details of one id', () => {
    const detail = { feeTypeForm: { detailId: 'x' } }
    assert.deepEqual(wrongIn({ form: { details: [detail, detail] } }), ['form.details[1].feeTypeForm.detailId'])
  })

  it('has limits', () => {
    const details = Array.from({ length: MAX_DETAILS }, () => ({}))
    assert.deepEqual(wrongIn({ form: { details } }), [])
    assert.throws(() => read({ form: { details: [...details, {}] } }), { code: 'TooManyItems' })
    const attachments = Array.from({ length: MAX_ATTACHMENTS })
    assert.equal(read({ form: { attachments } }).triples.length, MAX_ATTACHMENTS)
    assert.throws(() => read({ form: { attachments }, receipts: [1] }), { code: 'TooManyItems' })
  })
})

describe('a form', () => {
  it('takes a code at its end, or in the place of another', () => {
    assert.equal(codeSlot('{}')('B1'), '{"code":"B1"}')
    assert.equal(codeSlot('{ "a": 1 }')('B1'), '{ "a": 1,"code":"B1" }')
    assert.equal(codeSlot('{"code":null,"a":1}')('B"1'), '{"code":"B\\"1","a":1}')
    assert.equal(codeSlot('{"code":"B2"}')('B1'), '{"code":"B1"}')
  })

  it('merges top-level fields as they are spelt, and keeps its code', () => {
    assert.equal(
      mergedForm('{ "10":1, "2": 2.0, "code":"B1" }', '{"2":1e5,"code":"B9","x":12345678901234567890,"10":{"a":1.10}}'),
      '{ "10":{"a":1.10}, "2": 1e5, "code":"B1","x":12345678901234567890 }',
    )
    assert.equal(mergedForm('{"a":1}', '{}'), '{"a":1}')
  })
})
