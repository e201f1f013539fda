import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { describe, it } from 'node:test'
import { digestPass } from './digest.ts'
import { uploadDigest } from './upload-digest.ts'

/** In memory that threads share, as larger bodies come. */
function shared(bytes: Uint8Array): Uint8Array {
  const copy = new Uint8Array(new SharedArrayBuffer(bytes.length))
  copy.set(bytes)
  return copy
}

async function digestHere(chunks: readonly Uint8Array[]) {
  const { update, result } = await digestPass()
  for (const chunk of chunks) update(chunk)
  return result()
}

describe('digests on threads', () => {
  it('are those of the event loop, for many uploads at once', async () => {
    const uploads = Array.from({ length: 12 }, (_, index) => [randomBytes(1000 * index + 1), randomBytes(70_000)])
    const found = await Promise.all(
      uploads.map(async (chunks) => {
        const digest = uploadDigest()
        for (const chunk of chunks) await digest.update(shared(chunk))
        const result = await digest.result()
        digest.close()
        return result
      }),
    )
    assert.deepEqual(found, await Promise.all(uploads.map(digestHere)))
  })

  it('have read a chunk when its update has resolved', async () => {
    const digest = uploadDigest()
    const memory = shared(randomBytes(200_000))
    const before = Buffer.from(memory)
    await digest.update(memory)
    memory.fill(0)
    const result = await digest.result()
    digest.close()
    assert.deepEqual(result, await digestHere([before]))
  })

  it('of an upload that was given up leave the others alone', async () => {
    const [gone, stays] = [uploadDigest(), uploadDigest()]
    const bytes = randomBytes(100_000)
    await Promise.all([gone.update(shared(bytes)), stays.update(shared(bytes))])
    gone.close()
    gone.close()
    const result = await stays.result()
    stays.close()
    assert.deepEqual(result, await digestHere([bytes]))
  })
})
