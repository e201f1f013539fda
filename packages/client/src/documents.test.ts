import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { stage } from './client.fixture.ts'
import { bill } from './documents.fixture.ts'
import { attachmentsOf } from './documents.ts'

describe('documents', () => {
  it('give links to what they name, by where it stands, for any number of ids', async () => {
    await using on = await stage()
    const { code } = await bill(on)
    const { id } = await on.client.document(code)
    const listed = await on.client.documentAttachments([id])
    assert.deepEqual(
      listed.map(({ flowId, flowCode }) => [flowId, flowCode]),
      [[id, code]],
    )
    assert.ok(listed[0]?.attachmentList.some(({ type }) => type === 'flow.body'))
    const url = listed[0]?.attachmentList.find(({ type }) => type === 'flow.body')?.attachmentUrls?.[0]?.url
    assert.equal((await fetch(url ?? '')).status, 200)
    assert.equal((await on.client.documentAttachments(Array(250).fill(id))).length >= 1, true)
  })

  it('are read leniently', () => {
    assert.deepEqual(attachmentsOf({ form: {} }), [])
    assert.deepEqual(
      attachmentsOf({
        form: { attachments: [null, 1, {}, { key: 'a' }], details: [null, { feeTypeForm: null }] },
        logs: [null, { attachments: null }],
      }),
      [],
    )
    const triple = { key: 'k', fileId: 'f' }
    assert.deepEqual(attachmentsOf({ form: { attachments: [triple, { ...triple, other: 1 }] } }), [triple])
  })
})
