import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type IncomingMessage, request } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import { test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { PATHS } from '@attache/protocol'
import Fastify from 'fastify'
import { downloadUrlsRoute } from './download-urls.ts'

const BATCHES = 60
const MEBIBYTE = 1024 * 1024

test('makes links as fast as they are read, and all of them in the end', async () => {
  let made = 0
  async function* batches() {
    for (; made < BATCHES; made++) yield [{ id: String(made), key: 'k', url: 'u'.repeat(MEBIBYTE), thumbUrl: 't' }]
  }
  await using app = Fastify()
  app.decorateRequest('caller')
  app.decorateRequest('trail')
  app.addHook('onRequest', async (asked) => {
    asked.caller = { corporationId: 'c' }
  })
  downloadUrlsRoute(app, { attachments: { linkBatches: async () => batches() }, maxItems: 10 })
  await app.listen({ host: '127.0.0.1', port: 0 })
  const { port } = app.server.address() as AddressInfo
  const headers = { 'content-type': 'application/json' }
  const asking = request({ port, path: PATHS.downloadUrls, method: 'POST', headers }).end('[]')
  const [answer] = (await once(asking, 'response')) as [IncomingMessage]
  // What the buffers of the connection take is all that is made before anybody reads.
  for (let seen = -1; seen !== made; await pause(100)) seen = made
  assert.ok(made < BATCHES / 2, `${made} of ${BATCHES} batches were made for a reader that does not read`)
  const links = JSON.parse(await text(answer)) as { id: string }[]
  assert.deepEqual(
    links.map(({ id }) => Number(id)),
    Array.from({ length: BATCHES }, (_, index) => index),
  )
})
