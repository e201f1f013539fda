import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { it } from 'node:test'
import { describeOnS3, s3Options } from './s3.fixture.ts'
import { s3Blobs } from './s3.ts'
import { newId } from './s3-stage.fixture.ts'

describeOnS3('an address in S3', () => {
  const bytes = randomBytes(10_000)
  const id = newId()

  async function addresses(now = Date.now) {
    const store = await s3Blobs(s3Options({ prefix: 'addresses/blobs/', now }))
    return async (method: 'GET' | 'HEAD', expiresAt: number, headers: Record<string, string> = {}) => {
      const address = await store.address?.(id, { method, expiresAt, headers })
      assert.ok(address)
      return address
    }
  }
  const status = async (address: string, method = 'GET') => {
    const answer = await fetch(address, { method })
    await answer.arrayBuffer()
    return answer.status
  }
  const inSeconds = (seconds: number) => Math.floor(Date.now() / 1000) + seconds

  it('gives the bytes, ranges of them, and the headers that were asked', async () => {
    const store = await s3Blobs(s3Options({ prefix: 'addresses/blobs/' }))
    await store.put(id, [bytes] as unknown as AsyncIterable<Uint8Array>)
    const asked = {
      'content-type': 'image/png',
      'content-disposition': `attachment; filename="a b.png"; filename*=UTF-8''%E5%8F%91%E7%A5%A8%20(1)!'%2B.png`,
      'cache-control': 'private, no-cache',
    }
    const address = await (await addresses())('GET', inSeconds(100), asked)
    const answer = await fetch(address)
    assert.ok(bytes.equals(Buffer.from(await answer.arrayBuffer())))
    for (const [name, value] of Object.entries(asked)) assert.equal(answer.headers.get(name), value)
    const part = await fetch(address, { headers: { range: 'bytes=10-19' } })
    assert.ok(bytes.subarray(10, 20).equals(Buffer.from(await part.arrayBuffer())))
  })

  it('works for its own method and for nothing changed', async () => {
    const address = await addresses()
    const [get, head] = [await address('GET', inSeconds(100)), await address('HEAD', inSeconds(100))]
    assert.deepEqual([await status(get), await status(head, 'HEAD')], [200, 200])
    assert.deepEqual([await status(get, 'HEAD'), await status(head)], [403, 403])
    assert.equal(await status(get.replace('X-Amz-Expires=', 'X-Amz-Expires=9')), 403)
    assert.equal(await status(get.replace(id, newId())), 403)
  })

  it('works until the second that was asked, and not after', async () => {
    const end = inSeconds(2)
    const address = await (await addresses())('GET', end)
    let last = 0
    for (;;) {
      const asked = Date.now()
      if ((await status(address)) !== 200) break
      last = asked
    }
    assert.ok(last >= (end - 1) * 1000, `worked until ${end * 1000 - last} ms before`)
    // The store's clock counts whole seconds.
    assert.ok(last < (end + 1) * 1000, `worked ${last - end * 1000} ms too long`)
  })

  it('of seven days works now, and of one that was signed seven days ago does no longer', async () => {
    const week = 604_800
    assert.equal(await status(await (await addresses())('GET', inSeconds(week))), 200)
    const thenPast = await addresses(() => Date.now() - week * 1000)
    assert.equal(await status(await thenPast('GET', inSeconds(-1))), 403)
  })
})
