import { startAttache, type TestAttache } from '@attache/server/testing'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { download } from '../caller.ts'

describe('download', () => {
  let attache: TestAttache
  beforeAll(async () => {
    attache = await startAttache()
  })
  beforeEach(() => attache.reset())
  afterAll(() => attache.close())

  async function invoice() {
    const { attachments } = await attache.seedDocument({ attachments: [{ name: '发票.pdf', content: '%PDF-1.7' }] })
    return attachments[0] ?? expect.fail('no attachment')
  }

  it('gives the bytes of an attachment', async () => {
    const bytes = await download(attache, await invoice())
    expect(Buffer.from(bytes).toString()).toBe('%PDF-1.7')
  })

  it('takes a new token when the old one is refused', async () => {
    const attachment = await invoice()
    await download(attache, attachment)
    attache.fault('expired-token')
    await download(attache, attachment)
    expect(attache.requests('/api/openapi/v1/auth/getAccessToken').count).toBeGreaterThan(0)
  })

  it('waits and tries again when the storage is away, and gives up at the third time', async () => {
    const attachment = await invoice()
    attache.fault('storage-503', { times: 2, retryAfterSeconds: 0 })
    await download(attache, attachment)
    attache.fault('storage-503', { times: 3, retryAfterSeconds: 0 })
    await expect(download(attache, attachment)).rejects.toThrow('503')
  })
})
