import assert from 'node:assert/strict'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { connect } from 'node:net'
import { text } from 'node:stream/consumers'
import { after, before, describe, it } from 'node:test'
import { PATHS } from '@attache/protocol'
import { form, type TestService, testService } from '../service.fixture.ts'

const HIDDEN = 'GET /livez HTTP/1.1\r\nHost: hidden\r\n\r\n'

describe('what comes over a connection', () => {
  let test: TestService
  before(async () => {
    test = await testService({ ATTACHE_PORT: '0' })
    await test.service.listen()
  })
  after(() => test[Symbol.asyncDispose]())

  /** All that comes back until the service closes the connection. */
  function sent(bytes: string | Buffer): Promise<string> {
    const socket = connect((test.service.app.server.address() as AddressInfo).port, '127.0.0.1')
    socket.write(bytes)
    return text(socket)
  }
  const statusesIn = (answer: string) => [...answer.matchAll(/HTTP\/1\.1 (\d{3})/g)].map(([, status]) => Number(status))
  const post = (path: string, head: string) => `POST ${path} HTTP/1.1\r\nHost: x\r\n${head}\r\n\r\n`

  it('is refused where another parser could see the end of a body elsewhere', async () => {
    const body = `0\r\n\r\n${HIDDEN}`
    for (const encoding of ['identity, chunked', 'identity\r\nTransfer-Encoding: chunked', 'gzip, chunked']) {
      assert.deepEqual(statusesIn(await sent(post('/livez', `Transfer-Encoding: ${encoding}`) + body)), [400])
    }
  })

  it('has no second answer when a body breaks after its request was answered', async () => {
    const answer = await sent(
      `${post(PATHS.downloadUrls, 'Transfer-Encoding: chunked')}1\r\nhello\r\n0\r\n\r\n${HIDDEN}`,
    )
    assert.deepEqual(statusesIn(answer), [403])
  })

  it('is answered when a part of a form has a head that never ends', async () => {
    const parts = form([
      { field: 'name', value: 'a.txt' },
      { field: 'file', value: Buffer.from('a\r\n------------attache-testx\r\nb') },
    ])
    const url = `${PATHS.upload}?accessToken=${test.token}`
    const answer = await test.ask({ method: 'POST', url, ...parts })
    assert.equal(answer.statusCode, 400, answer.body)
  })

  it('may be a file whose ending is the name of something every object has', async () => {
    for (const name of ['a.constructor', 'a.__proto__', 'a.toString']) {
      assert.equal((await test.upload(name, Buffer.from('x'))).fileName, name)
    }
  })

  it('is no form without an end, however long its preamble is', async () => {
    const headers = { 'content-type': 'multipart/form-data; boundary=never' }
    const url = `${PATHS.upload}?accessToken=${test.token}`
    const answer = await test.ask({ method: 'POST', url, headers, payload: Buffer.alloc(33 * 1024 * 1024, 'x') })
    assert.equal(answer.statusCode, 413, answer.body)
  })

  it('puts nothing into a download that is under way', async () => {
    const { url } = await test.link(await test.upload('large.bin', Buffer.alloc(8 * 1024 * 1024, 'x')))
    const socket = connect((test.service.app.server.address() as AddressInfo).port, '127.0.0.1')
    socket.write(`GET ${url} HTTP/1.1\r\nHost: x\r\n\r\n`)
    await once(socket, 'readable')
    socket.write('garbage\r\n\r\n')
    assert.deepEqual(statusesIn(await text(socket)), [200])
  })
})
