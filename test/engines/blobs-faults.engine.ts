/** A service over an S3 store that is killed, hangs, is slow or cuts answers: it says so in time, and serves nothing torn. */
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { get, type IncomingMessage } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { after, afterEach, before, describe, it, type TestContext } from 'node:test'
import { type StoreFault, type StoreProxy, storeProxy } from '../../packages/server/src/blobs/store-proxy.fixture.ts'
import { newCorporation, type ServingNode, serveNode } from '../node.ts'
import { bytesOf, type Calls, formOf, type Link, postForm, until } from '../server.ts'
import { type Swift, startSwift, swiftMissing } from './swift.ts'

const missing = swiftMissing()
// All tries of one operation, and the rest of a request.
const ANSWER_MS = 10_000
// The breaker's probe, and the same.
const RECOVERY_MS = 5000 + 1500
const ROUNDS = 4

interface Answer {
  status: number
  retryAfter: string | null
  milliseconds: number
}

interface Outage {
  /** What becomes of the store. */
  what: string
  begin(): unknown
  end(): unknown
}

describe('a store that fails', { skip: missing && !process.env['CI'] ? missing : false }, () => {
  const small = randomBytes(10_000)
  const large = randomBytes(5_000_000)
  let directory: string
  let swift: Swift
  let proxy: StoreProxy
  let node: ServingNode
  let calls: Calls
  let links: { small: Link; large: Link }
  before(async () => {
    assert.equal(missing, undefined)
    directory = await mkdtemp(join(tmpdir(), 'attache-faults-'))
    swift = await startSwift()
    proxy = await storeProxy(swift.endpoint)
    const secretFile = join(directory, 'secret')
    const { ATTACHE_TEST_S3_ACCESS_KEY_ID: key = '', ATTACHE_TEST_S3_SECRET_ACCESS_KEY: secret = '' } =
      swift.environment
    await writeFile(secretFile, secret, { mode: 0o600 })
    const env = {
      ATTACHE_DATA: join(directory, 'data'),
      ATTACHE_BLOBS: 's3',
      ATTACHE_S3_ENDPOINT: proxy.url,
      ATTACHE_S3_STYLE: 'path',
      ATTACHE_S3_BUCKET: swift.bucket,
      ATTACHE_S3_ACCESS_KEY_ID: key,
      ATTACHE_S3_SECRET_ACCESS_KEY_FILE: secretFile,
      // Else small ones would come from memory.
      ATTACHE_HOT_CACHE_MIB: '0',
    }
    const corporation = await newCorporation(env, 'Faults')
    node = await serveNode(env)
    calls = node.as(corporation)
    const linkOf = async (bytes: Buffer<ArrayBuffer>) => calls.linkOf(await calls.upload('发票.bin', bytes))
    links = { small: await linkOf(small), large: await linkOf(large) }
  })
  after(async () => {
    await node?.stop()
    await proxy?.[Symbol.asyncDispose]()
    await swift?.stop()
    await rm(directory, { recursive: true, force: true })
  })

  afterEach(async () => {
    faults()
    await until(RECOVERY_MS, async () => ((await read(links.large)).status === 200 ? true : undefined))
  })

  const rows = (): number => {
    using records = new DatabaseSync(join(directory, 'data', 'records.sqlite'), { readOnly: true })
    return Number(records.prepare('select count(*) as rows from attachments').get()?.['rows'])
  }

  async function timed(work: () => Promise<Response>): Promise<Answer> {
    const started = performance.now()
    const response = await work()
    await response.arrayBuffer()
    const milliseconds = Math.round(performance.now() - started)
    return { status: response.status, retryAfter: response.headers.get('retry-after'), milliseconds }
  }

  const read = (link: Link) => timed(() => fetch(link.url))
  const upload = async (bytes: Buffer<ArrayBuffer>) => {
    const token = await calls.token()
    return timed(() => postForm(node.own, token, formOf('a.bin', bytes)))
  }

  /** Reads and uploads while the store is away; then until it is back for them. */
  async function outage(t: TestContext, { what, begin, end }: Outage): Promise<void> {
    const before = rows()
    await begin()
    const answers: Answer[] = []
    for (let round = 0; round < ROUNDS; round++) {
      answers.push(...(await Promise.all([read(links.small), read(links.large), upload(small), upload(large)])))
      // What needs no bytes goes on.
      assert.equal((await fetch(links.large.url, { method: 'HEAD' })).status, 200)
      await calls.links([])
    }
    assert.equal(rows(), before)
    await end()
    const recovered = performance.now()
    await until(RECOVERY_MS, async () => ((await read(links.large)).status === 200 ? true : undefined))
    const recovery = Math.round(performance.now() - recovered)
    assert.ok((await bytesOf(await fetch(links.small.url))).equals(small))
    assert.ok((await bytesOf(await fetch(links.large.url))).equals(large))
    assert.equal((await upload(large)).status, 200)
    assert.equal(rows(), before + 1)
    const times = answers.map(({ milliseconds }) => milliseconds).sort((one, other) => one - other)
    const usual = times[Math.floor(times.length / 2)]
    t.diagnostic(
      `store ${what}: ${answers.length} answers 503, half within ${usual} ms, all within ${times.at(-1)} ms; recovered after ${recovery} ms`,
    )
    for (const { status, retryAfter } of answers) assert.deepEqual([status, Number(retryAfter) >= 1], [503, true])
    assert.ok((times.at(-1) ?? 0) <= ANSWER_MS, `${times.at(-1)} ms`)
  }

  it('because it was killed answers 503 in time, keeps no row, and comes back by itself', (t) =>
    outage(t, { what: 'killed', begin: () => swift.objects.kill(), end: () => swift.objects.start() }))

  it('because it hangs does the same', (t) =>
    outage(t, { what: 'hung', begin: () => swift.objects.hang(), end: () => swift.objects.goOn() }))

  it('because it is slower than a try may take does the same', (t) =>
    outage(t, { what: 'too slow', begin: () => faults({ delayMs: 8000 }), end: () => faults() }))

  it('and is only slow is waited for', async () => {
    faults({ delayMs: 1000 })
    assert.ok((await bytesOf(await fetch(links.large.url))).equals(large))
    assert.equal((await upload(small)).status, 200)
  })

  it('in the middle of a long body has the connection cut, and a short one is 503', async (t) => {
    for (const [how, fault, deadline] of [
      ['reset', { resetAt: 1_000_000 }, 5000],
      ['stalled', { stallAt: 1_000_000 }, 35_000],
    ] as const) {
      faults(fault)
      const { received, promised, complete, milliseconds } = await rawRead(links.large.url)
      t.diagnostic(`store ${how} in a body: cut after ${received} of ${promised} bytes and ${milliseconds} ms`)
      assert.deepEqual([promised, complete], [large.length, false])
      assert.ok(received <= 1_000_000 && milliseconds < deadline)
    }
    faults({ resetAt: 5000 })
    const { status, retryAfter } = await read(links.small)
    assert.deepEqual([status, Number(retryAfter) >= 1], [503, true])
  })

  it('with the bytes of another object is no answer', async () => {
    faults({ shortenTo: 5000 })
    assert.equal((await read(links.small)).status, 500)
    assert.equal((await read(links.large)).status, 500)
  })

  it('has left the service without a word it did not mean to say', () => {
    assert.doesNotMatch(node.stderr(), /unhandled|uncaught|testing-secret|X-Amz-Signature/i)
  })

  /** For every GET and PUT from now on. */
  function faults(fault?: StoreFault): void {
    proxy.fault = () => fault
  }
})

interface RawRead {
  received: number
  promised: number
  complete: boolean
  milliseconds: number
}

/** Without a client's opinion of what is whole. */
async function rawRead(url: string): Promise<RawRead> {
  const started = performance.now()
  const [answer] = (await once(get(url), 'response')) as [IncomingMessage]
  let received = 0
  answer.on('data', (chunk: Buffer) => {
    received += chunk.length
  })
  answer.on('error', () => {})
  await new Promise((resolve) => answer.on('close', resolve))
  return {
    received,
    promised: Number(answer.headers['content-length']),
    complete: answer.complete,
    milliseconds: Math.round(performance.now() - started),
  }
}
