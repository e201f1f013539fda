import assert from 'node:assert/strict'
import { after, beforeEach, describe, it } from 'node:test'
import { startAttache } from '@attache/server/testing'
import { download } from '../caller.ts'

const TOKEN = '/api/openapi/v1/auth/getAccessToken'

const attache = await startAttache()
after(() => attache.close())
beforeEach(() => attache.reset())

async function invoice() {
  const { attachments } = await attache.seedDocument({ attachments: [{ name: '发票.pdf', content: '%PDF-1.7' }] })
  const [attachment] = attachments
  assert.ok(attachment)
  return attachment
}

describe('download', () => {
  it('gives the bytes of an attachment', async () => {
    const bytes = await download(attache, await invoice())
    assert.equal(Buffer.from(bytes).toString(), '%PDF-1.7')
  })

  it('takes a new token when the old one has expired', async () => {
    const attachment = await invoice()
    await download(attache, attachment)
    const before = attache.requests(TOKEN).count
    attache.clock.advance(7200)
    await download(attache, attachment)
    assert.equal(attache.requests(TOKEN).count - before, 1)
  })

  it('waits and tries again when the storage is away, and gives up at the third time', async () => {
    const attachment = await invoice()
    attache.fault('storage-503', { times: 2, retryAfterSeconds: 0 })
    await download(attache, attachment)
    attache.fault('storage-503', { times: 3, retryAfterSeconds: 0 })
    await assert.rejects(download(attache, attachment), /503/)
  })

  it('does not take half a file for a whole one', async () => {
    const attachment = await invoice()
    attache.fault({ path: `/${attache.bucket}/*`, cutAfterBytes: 3 })
    await assert.rejects(download(attache, attachment))
  })
})
