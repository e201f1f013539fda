import assert from 'node:assert/strict'
import { once } from 'node:events'
import { Agent, IncomingMessage, request } from 'node:http'
import { after, before, describe, it } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import { queryObjects } from 'node:v8'
import { plainStage } from './plain.fixture.ts'

const { at, base, toLinks } = await plainStage()
after(() => at[Symbol.asyncDispose]())

const agent = new Agent({ keepAlive: true, maxSockets: 1 })
after(() => agent.destroy())

let item: { id: string; key: string }
before(async () => {
  const { fileId: id, key } = await at.upload('a.txt', new Uint8Array(10))
  item = { id, key }
})

describe('the watch over bodies that drip in', () => {
  it('holds no request that is over', async () => {
    for (let count = 0; count < 300; count++) await inTwoPieces()
    // The log holds up to 64 for a moment.
    assert.ok(queryObjects(IncomingMessage, { format: 'count' }) < 100)
  })
})

/** The body comes after its head, as many clients send it. */
async function inTwoPieces(): Promise<void> {
  const { method, url, headers, body } = toLinks([{ ...item, expiration: 1000 }])
  const asking = request(base + url, { method, agent, headers: { ...headers, 'content-length': body?.length } })
  asking.flushHeaders()
  await turn()
  asking.end(body)
  const [response] = await once(asking, 'response')
  assert.equal(response.statusCode, 200)
  await once(response.resume(), 'end')
}
