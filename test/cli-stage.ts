/** A server, a proxy before it that does harm on request, and a user whose links lead through it. */
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { createServer } from 'node:net'
import { type FaultProxy, faultProxy } from '../packages/client/src/fault-proxy.fixture.ts'
import { place, settingsOf } from './cli.ts'
import { type Attache, startAttache, type Uploaded } from './server.ts'

export interface CliStage extends AsyncDisposable {
  attache: Attache
  proxy: FaultProxy
  home: Awaited<ReturnType<typeof place>>
  env: ReturnType<typeof settingsOf>
}

export async function behindProxy(): Promise<CliStage> {
  await using opened = new AsyncDisposableStack()
  const proxy = opened.use(await faultProxy())
  const port = await freePort()
  const attache = await startAttache({
    env: { ATTACHE_PORT: String(port), ATTACHE_PUBLIC_URL: proxy.url, ATTACHE_DURABILITY: 'relaxed' },
  })
  opened.defer(() => attache.stop())
  proxy.pass(`http://127.0.0.1:${port}`)
  const home = opened.use(await place())
  const kept = opened.move()
  const env = settingsOf(attache, home.path)
  return { attache, proxy, home, env, [Symbol.asyncDispose]: () => kept.disposeAsync() }
}

export interface SavedDocument {
  code: string
  /** SHA-256 of each, in their order. */
  hashes: string[]
  /** `ID:KEY` of each. */
  refs: string[]
}

export interface NamedBytes {
  name: string
  bytes: Uint8Array<ArrayBuffer>
}

/** A document with these attachments, uploaded several at once. */
export async function documentOf(attache: Attache, files: readonly NamedBytes[]): Promise<SavedDocument> {
  const triples: Uploaded[] = []
  const queue = files.entries()
  const uploader = async () => {
    for (const [index, { name, bytes }] of queue) triples[index] = await attache.upload(name, bytes)
  }
  await Promise.all(Array.from({ length: 8 }, uploader))
  const code = await createDocument(attache, triples)
  const hashes = files.map(({ bytes }) => createHash('sha256').update(bytes).digest('hex'))
  return { code, hashes, refs: triples.map(({ fileId, key }) => `${fileId}:${key}`) }
}

async function createDocument({ url, token }: Attache, attachments: readonly Uploaded[]): Promise<string> {
  const response = await fetch(`${url}/api/openapi/v2.2/flow/data?accessToken=${await token()}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ form: { title: '报销', attachments } }),
  })
  assert.equal(response.status, 200, await response.clone().text())
  return ((await response.json()) as { flow: { form: { code: string } } }).flow.form.code
}

/** Links begin with the proxy's address, so the server's own has to be known before both. */
async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await new Promise((resolve) => server.once('listening', resolve))
  const address = server.address()
  await new Promise((resolve) => server.close(resolve))
  return typeof address === 'object' && address !== null ? address.port : 0
}
