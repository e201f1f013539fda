import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { after, test } from 'node:test'
import { run } from './programs.ts'
import { type Attache, environment, PROGRAM, startAttache, statusOf, UPLOAD, type Uploaded, until } from './server.ts'
import { type Outcome, verb } from './verbs.ts'

const directory = await mkdtemp(join(tmpdir(), 'attache-process-'))
after(() => rm(directory, { recursive: true, force: true }))
const aFile = join(directory, 'file')
await writeFile(aFile, 'short')

const BAD_SETTINGS: [string, Record<string, string>][] = [
  ['ATTACHE_PORT', { ATTACHE_PORT: 'http' }],
  ['ATTACHE_PUBLIC_URL', { ATTACHE_PUBLIC_URL: 'attache.example.com' }],
  ['ATTACHE_DURABILITY', { ATTACHE_DURABILITY: 'maybe' }],
  [
    'ATTACHE_LINK_ACCESS_KEY_SECRET_FILE',
    { ATTACHE_LINK_ACCESS_KEY_ID: 'LTAI', ATTACHE_LINK_ACCESS_KEY_SECRET_FILE: '/none' },
  ],
  [aFile, { ATTACHE_ROOT_SECRET_FILE: aFile }],
  ['ATTACHE_ROOT_SECRET_FILE', { ATTACHE_ROOT_SECRET_FILE: '/none' }],
  ['ATTACHE_DATA', { ATTACHE_DATA: aFile }],
  ['ATTACHE_HOST', { ATTACHE_HOST: '192.0.2.1' }],
  ['ATTACHE_PROT', { ATTACHE_PROT: '8700' }],
]

for (const [named, env] of BAD_SETTINGS) {
  const written = Object.entries(env).map((pair) => pair.join('='))
  test(`ends the process with 2 and a sentence: ${written.join(' ').replace(directory, 'DIRECTORY')}`, async () => {
    const outcome = await verb(['serve'], { env: { ATTACHE_DATA: join(directory, 'data'), ...env } })
    assertMistake(outcome, named)
  })
}

test('ends with 2 when the port is taken, and says what to do', async (t) => {
  const holder = createServer().listen(0, '127.0.0.1')
  t.after(() => holder.close())
  await new Promise((resolve) => holder.once('listening', resolve))
  const address = holder.address()
  const port = String(typeof address === 'object' ? address?.port : '')
  const env = { ATTACHE_DATA: join(directory, 'data'), ATTACHE_PORT: port }
  assertMistake(await verb(['serve'], { env }), 'ATTACHE_PORT')
})

test('start ends with 2 on an address that others reach', async () => {
  const env = { ATTACHE_DATA: join(directory, 'data'), ATTACHE_HOST: '0.0.0.0' }
  assertMistake(await verb(['start'], { env }), 'ATTACHE_HOST')
})

for (const args of [['none'], ['constructor'], ['serve', '--loud'], ['keys', 'show', '--corporation', 'none']]) {
  test(`ends with 2 on the command ${args.join(' ')}`, async () => {
    const { code, stdout, stderr } = await verb(args, { env: { ATTACHE_DATA: join(directory, 'data') } })
    assert.deepEqual([code, stdout], [2, ''], stderr)
    assert.ok(stderr.startsWith('attache-server: '), stderr)
  })
}

test('what nobody catches ends a command with 1, and is printed without the secrets in its words', async () => {
  const preload = join(directory, 'throws.mjs')
  await writeFile(preload, "console.log = () => { throw new Error('refused: accessToken=abcdef') }")
  const { code, stderr } = await verb(['help'], { env: { NODE_OPTIONS: `--import=${preload}` } })
  assert.equal(code, 1)
  assert.match(stderr, /refused: accessToken=\[redacted\]\n +at /)
})

test('a second server on a data directory ends with 2, and the first goes on', async () => {
  const first = await startAttache()
  assertMistake(await verb(['serve'], { env: { ATTACHE_DATA: first.data } }), first.data)
  await first.upload('还在.txt', Buffer.from('x'))
  await first.stop()
})

test('logs every request, and no secret of any', async () => {
  const attache = await startAttache({ env: { ATTACHE_LOG_LEVEL: 'info' } })
  const token = await attache.token()
  const { url, thumbUrl } = await attache.linkOf(await attache.upload('密.txt', Buffer.from('x')))
  const statuses = [url, thumbUrl, url.replace('Signature=', 'Signature=x')].map((address) => statusOf(address))
  assert.deepEqual(await Promise.all(statuses), [200, 400, 403])
  await attache.stop()
  const log = attache.stderr()
  assert.equal(log.match(/"msg":"request"/g)?.length, 7, log)
  const signature = /Signature=([^&]+)/.exec(url)?.[1] ?? ''
  for (const secret of [
    token,
    attache.appSecurity,
    attache.link.accessKeySecret,
    attache.link.securityToken,
    signature,
  ])
    for (const written of [secret, decodeURIComponent(secret), encodeURIComponent(secret)])
      assert.ok(!log.includes(written), `${written} in ${log}`)
})

test('SIGTERM lets uploads in flight end with 200, keeps them, and ends with 0', async (t) => {
  const data = join(directory, 'drained')
  const attache = await startAttache({ data, env: { ATTACHE_DRAIN_SECONDS: '5' } })
  const slow = await slowUploads(attache, 6)
  const stopped = attache.stop()
  await until(2000, () => isRefused(attache.url))
  slow.finish()
  const uploads = await Promise.all(slow.answers)
  await stopped
  const again = await startAttache({ data })
  t.after(() => again.stop())
  const links = await again.links(uploads.map(({ fileId, key }) => ({ id: fileId, key, expiration: 60 })))
  assert.equal(links.length, 6)
  for (const { url } of links) assert.equal(await (await fetch(url)).text(), 'first half, second half')
})

test('an upload that stalls does not hold up the end for longer than the grace, and is not kept', async () => {
  const attache = await startAttache({ env: { ATTACHE_DRAIN_SECONDS: '1' } })
  const slow = await slowUploads(attache, 1)
  const started = performance.now()
  const failed = assert.rejects(Promise.all(slow.answers))
  await attache.stop().catch(() => undefined)
  await failed
  assert.ok(performance.now() - started < 3000)
})

test('an older Node says in one line what it needs', async (t) => {
  const { stdout } = await run('which', ['-a', 'node']).catch(() => ({ stdout: '' }))
  const versions = stdout
    .split('\n')
    .filter(Boolean)
    .map(async (node) => {
      const version = (await run(node, ['--version'])).stdout
      return { node, major: Number(/^v(\d+)/.exec(version)?.[1]) }
    })
  const old = (await Promise.all(versions)).find(({ major }) => major < 24)
  if (old === undefined) return t.skip('this machine has no Node below 24')
  const { code, stdout: said, stderr } = await verb(['serve'], { node: old.node })
  assert.deepEqual([code, said], [2, ''])
  assert.match(stderr, new RegExp(`^Attaché needs Node.js 24 or newer and this is ${old.major}\\..*\\n$`))
})

function assertMistake({ code, stdout, stderr }: Outcome, named: string): void {
  assert.deepEqual([code, stdout], [2, ''], stderr)
  assert.ok(stderr.startsWith('attache-server: ') && stderr.includes(named), stderr)
  assert.equal(stderr.trimEnd().split('\n').length, 1, stderr)
}

/** Uploads of which the server has the first half. */
async function slowUploads(attache: Attache, count: number): Promise<{ finish(): void; answers: Promise<Uploaded>[] }> {
  const token = await attache.token()
  const gate = Promise.withResolvers<void>()
  const answers = Array.from({ length: count }, async (_, index) => {
    const response = await fetch(`${attache.url}${UPLOAD}?accessToken=${token}`, {
      method: 'POST',
      headers: { 'content-type': 'multipart/form-data; boundary=edge' },
      body: ReadableStream.from(halves(`慢-${index}.txt`, gate.promise)),
      duplex: 'half',
    })
    assert.equal(response.status, 200, await response.clone().text())
    return ((await response.json()) as { value: Uploaded }).value
  })
  await until(2000, async () => ((await readdir(join(attache.data, 'tmp'))).length === count ? true : undefined))
  return { finish: gate.resolve, answers }
}

async function* halves(name: string, gate: Promise<void>): AsyncGenerator<Uint8Array> {
  const part = (disposition: string) => `--edge\r\nContent-Disposition: form-data; ${disposition}\r\n\r\n`
  yield Buffer.from(`${part('name="name"')}${name}\r\n${part('name="file"; filename="f"')}first half, `)
  await gate
  yield Buffer.from('second half\r\n--edge--\r\n')
}

async function isRefused(url: string): Promise<true | undefined> {
  return fetch(`${url}/readyz`).then(
    ({ status }) => (status === 503 ? true : undefined),
    () => true,
  )
}

test('ends on SIGTERM even when nobody reads what it prints any more', async () => {
  const data = join(directory, 'unread')
  const child = spawn(process.execPath, [PROGRAM, 'start', '--json'], {
    env: environment({ ATTACHE_DATA: data, ATTACHE_LOG_LEVEL: 'info' }),
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const gone = once(child, 'exit')
  const [line] = await once(createInterface({ input: child.stdout }), 'line')
  child.stdout.destroy()
  child.stderr.destroy()
  // Something to log, which meets the closed pipe.
  await statusOf(`${JSON.parse(String(line)).url}/livez`)
  const late = setTimeout(() => child.kill('SIGKILL'), 15_000)
  child.kill('SIGTERM')
  const [code, signal] = await gone
  clearTimeout(late)
  assert.deepEqual([code, signal], [0, null])
})
