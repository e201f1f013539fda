/** The sample for nginx, in a real nginx: bytes leave through it, and nothing else of an answer changes. */
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { newCorporation, type ServingNode, serveNode } from '../node.ts'
import { callsOf, type Link, startAttache } from '../server.ts'
import { freePort, type Nginx, nginxMissing, startNginx } from './nginx.ts'

const missing = nginxMissing()

// Of the connection, or of one request.
const PASSING = new Set('date server connection keep-alive x-request-id x-oss-request-id x-accel-redirect'.split(' '))

describe('nginx in front', { skip: missing && !process.env['CI'] ? missing : false }, () => {
  const bytes = randomBytes(3_000_000)
  let directory: string
  let node: ServingNode
  let nginx: Nginx
  let large: Link
  let small: Link
  before(async () => {
    assert.equal(missing, undefined)
    directory = await mkdtemp(join(tmpdir(), 'attache-behind-'))
    const port = await freePort()
    const env = {
      ATTACHE_DATA: join(directory, 'data'),
      ATTACHE_ACCELERATION: 'nginx',
      ATTACHE_TRUSTED_PROXIES: '127.0.0.1',
      ATTACHE_PUBLIC_URL: `http://127.0.0.1:${port}`,
    }
    const corporation = await newCorporation(env, 'Behind')
    node = await serveNode({ ...env, ATTACHE_PORT: String(await freePort()) })
    nginx = await startNginx({ nodes: [new URL(node.own).host], data: env.ATTACHE_DATA, port })
    const calls = callsOf({ ...corporation, url: nginx.url })
    large = await calls.linkOf(await calls.upload('发票 a+b.bin', bytes))
    small = await calls.linkOf(await calls.upload('small.txt', Buffer.from('small')))
  })
  after(async () => {
    await nginx?.stop()
    await node?.stop()
    await rm(directory, { recursive: true, force: true })
  })

  const own = (url: string) => url.replace(nginx.url, node.own)
  const headersOf = ({ headers }: Response) =>
    Object.fromEntries(
      [...headers]
        .filter(([name]) => !PASSING.has(name))
        // Seconds that are left: a later answer may have one less.
        .map(([name, value]) => [name, value.replace(/max-age=\d+/, 'max-age=…')])
        .sort(),
    )

  it('sends a large file itself, with the headers that Attaché would send', async () => {
    const told = await fetch(own(large.url))
    assert.match(told.headers.get('x-accel-redirect') ?? '', /^\/attache-data\/blobs\/[0-9a-f]{2}\/[0-9a-f]{32}$/)
    assert.equal((await told.arrayBuffer()).byteLength, 0)
    const answer = await fetch(large.url)
    assert.equal(answer.status, 200)
    assert.equal(answer.headers.get('x-accel-redirect'), null)
    assert.ok(Buffer.from(await answer.arrayBuffer()).equals(bytes))
    const head = await fetch(large.url, { method: 'HEAD' })
    assert.deepEqual(headersOf(answer), headersOf(head))
    assert.match(answer.headers.get('etag') ?? '', /^"[0-9A-F]{32}"$/)
    assert.match(answer.headers.get('content-security-policy') ?? '', /sandbox/)
  })

  it('cuts ranges, and leaves conditions and what is small to Attaché', async () => {
    const part = await fetch(large.url, { headers: { range: 'bytes=1000000-1999999' } })
    assert.deepEqual([part.status, part.headers.get('content-range')], [206, 'bytes 1000000-1999999/3000000'])
    assert.ok(Buffer.from(await part.arrayBuffer()).equals(bytes.subarray(1_000_000, 2_000_000)))
    const several = await fetch(large.url, { headers: { range: 'bytes=0-1,5-6' } })
    assert.deepEqual([several.status, (await several.arrayBuffer()).byteLength], [200, 3_000_000])
    const beyond = await fetch(large.url, { headers: { range: 'bytes=3000000-' } })
    assert.equal(beyond.status, 416)
    await beyond.text()
    const etag = part.headers.get('etag') ?? ''
    const known = await fetch(large.url, { headers: { 'if-none-match': etag } })
    assert.equal(known.status, 304)
    const rest = await fetch(large.url, { headers: { range: 'bytes=10-', 'if-range': etag } })
    assert.deepEqual([rest.status, (await rest.arrayBuffer()).byteLength], [206, 2_999_990])
    assert.equal(await (await fetch(small.url)).text(), 'small')
  })

  it('can not be asked for a file from outside, and passes refusals on', async () => {
    const [, path = ''] =
      /(\/attache-data\/\S+)/.exec((await fetch(own(large.url))).headers.get('x-accel-redirect') ?? '') ?? []
    assert.equal((await fetch(nginx.url + path)).status, 404)
    const changed = await fetch(large.url.replace('Signature=', 'Signature=A'))
    assert.equal(changed.status, 403)
    assert.match(await changed.text(), /<Code>SignatureDoesNotMatch</)
  })

  it('is not obeyed by a node that does not trust its address', async () => {
    const other = await startAttache({ env: { ATTACHE_ACCELERATION: 'nginx', ATTACHE_TRUSTED_PROXIES: '192.0.2.1' } })
    const answer = await fetch((await other.linkOf(await other.upload('a.bin', bytes))).url)
    assert.equal(answer.headers.get('x-accel-redirect'), null)
    assert.ok(Buffer.from(await answer.arrayBuffer()).equals(bytes))
    await other.stop()
  })

  it('logs no query', async () => {
    const log = await nginx.log()
    assert.match(log, /GET \/attache\/\S+ 200 /)
    assert.doesNotMatch(log, /Signature|accessToken/)
  })
})
