import assert from 'node:assert/strict'
import { describe, it, type TestContext } from 'node:test'
import { createClient } from './client.ts'
import type { Fetch } from './transport.ts'

const LIMIT_MS = 1000
const STEPS = 10
const bytes = new Uint8Array(STEPS * 64 * 1024)
const stored = { value: { key: 'key', fileId: 'id', fileName: 'a.bin' } }

/** A client whose time is the test's, on a network that does as `send` says with an upload. */
function uploading(t: TestContext, send: Fetch): Promise<unknown> {
  t.mock.timers.enable({ apis: ['setTimeout'] })
  const client = createClient({
    baseUrl: 'http://attache.test',
    appKey: 'key',
    appSecurity: 'secret',
    uploadTimeoutMilliseconds: LIMIT_MS,
    fetch: async (url, init) =>
      url.includes('/auth/') ? Response.json({ value: { accessToken: 'token' } }) : send(url, init),
  })
  return client.upload(bytes, { name: 'a.bin', onProgress: () => {} })
}

describe('an upload that tells its progress', () => {
  it('takes as long as it needs while its bytes leave', async (t) => {
    let steps = 0
    const upload = uploading(t, async (_url, { body, signal }) => {
      for await (const _step of body as ReadableStream) {
        steps++
        t.mock.timers.tick(LIMIT_MS - 1)
        signal?.throwIfAborted()
      }
      return Response.json(stored)
    })
    assert.deepEqual(await upload, { ...stored.value, empty: false })
    assert.ok(steps >= STEPS)
  })

  it('ends when nothing leaves and nothing comes for too long', async (t) => {
    const upload = uploading(t, async (_url, { body, signal }) => {
      await (body as ReadableStream).getReader().read()
      t.mock.timers.tick(LIMIT_MS - 1)
      signal?.throwIfAborted()
      t.mock.timers.tick(1)
      signal?.throwIfAborted()
      return Response.json(stored)
    })
    await assert.rejects(upload, { kind: 'timeout', operation: 'upload' })
  })

  it('is not timed any more when it was answered before its end', async (t) => {
    const sent: RequestInit[] = []
    const upload = uploading(t, async (_url, init) => {
      sent.push(init)
      return Response.json(stored)
    })
    await upload
    const [{ body, signal } = {}] = sent
    await (body as ReadableStream).getReader().read()
    t.mock.timers.tick(LIMIT_MS)
    assert.equal(signal?.aborted, false)
  })
})
