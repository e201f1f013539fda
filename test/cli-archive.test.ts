import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { open, readdir, readFile, rm, stat, truncate } from 'node:fs/promises'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { after, test } from 'node:test'
import type { FaultProxy } from '../packages/client/src/fault-proxy.fixture.ts'
import { readManifest } from '../packages/client/src/manifest.ts'
import { SMALL_BYTES } from '../packages/client/src/small-files.ts'
import { cli, rowsOfType, startCli } from './cli.ts'
import { behindProxy, documentOf } from './cli-stage.ts'
import { run } from './programs.ts'

const FILES = 1000
const KILLS = 3
const CONCURRENCY = 4
// Of the process, garbage not yet collected and all.
const MOST_MEMORY_MIB = 200
const MOST_GROWN_MIB = 8
const SAMPLES = 20

const stage = await behindProxy()
const { proxy, env, home } = stage
after(() => stage[Symbol.asyncDispose]())

// Of 1 to 40 kB and some of 150, some of the same name.
const files = Array.from({ length: FILES }, (_, index) => ({
  name: `发票 ${index % 900}.bin`,
  bytes: randomBytes(index % 25 === 0 ? 150_000 : 1000 + (index % 40) * 1000),
}))
const { code, hashes, refs } = await documentOf(stage.attache, files)
const sizes = new Map(refs.map((ref, index) => [ref.slice(ref.indexOf(':') + 1), files[index]?.bytes.length]))
const expected = [...hashes].sort()
const directory = home.in('archive')
const args = ['archive', code, '-o', directory, '--json', '--concurrency', String(CONCURRENCY)]

test(`an archive of ${FILES} attachments survives kill -9 three times`, async (t) => {
  const started = performance.now()
  const kills: OnDisk[] = []
  for (let kill = 1; kill <= KILLS; kill++) {
    const running = startCli(args, { env })
    let fresh = 0
    for await (const line of createInterface({ input: running.child.stdout.resume() })) {
      if (line.includes('"saved"') && ++fresh === FILES / 5) running.child.kill('SIGKILL')
    }
    assert.equal((await running.ended.catch(() => undefined))?.signal ?? 'SIGKILL', 'SIGKILL')
    kills.push(await onDisk())
    proxy.passed.push({ method: 'KILLED', target: '', headers: {}, status: undefined })
  }
  const { peakMib, outcome } = await watched(args)
  assert.equal(outcome.code, 0, outcome.stderr)
  assert.equal(rowsOfType(outcome, 'file').length, FILES)
  const found = await hashesIn(join(directory, code))
  assert.deepEqual(found, expected)
  const { full, resumed, again } = requestsIn(proxy, kills)
  t.diagnostic(
    `${Math.round(performance.now() - started)} ms; ${full} full GETs and ${resumed} resumed for ${FILES} files, ` +
      `whole on disk at the kills: ${kills.map(({ whole }) => whole.size).join(', ')}; peak memory ${peakMib} MiB`,
  )
  assert.deepEqual(again, [], 'asked for again although it was there')
  // Of some that were asked for when the process died, no byte had been written yet.
  assert.ok(full - FILES <= KILLS * CONCURRENCY, `${full} full GETs`)
  assert.ok(peakMib < MOST_MEMORY_MIB, `${peakMib} MiB`)
})

test('an archive holds no more in memory at its end than at its beginning', async (t) => {
  const program = `
    import { createClient } from ${JSON.stringify(import.meta.resolve('../packages/client/src/node.ts'))}
    const { ATTACHE_URL: baseUrl, ATTACHE_APP_KEY: appKey, ATTACHE_APP_SECURITY: appSecurity } = process.env
    const client = createClient({ baseUrl, appKey, appSecurity })
    let count = 0
    for await (const _ of client.archive(${JSON.stringify(code)}, ${JSON.stringify(home.in('again'))})) {
      if (++count % ${FILES / SAMPLES} !== 0) continue
      gc()
      const { heapUsed, external } = process.memoryUsage()
      console.log((heapUsed + external) / 2 ** 20)
    }`
  const { stdout } = await run(process.execPath, ['--expose-gc', '--input-type=module', '-e', program], { env })
  const held = stdout.trim().split('\n').map(Number)
  // What is on its way comes and goes; what stays is in the least of several.
  const [first = Number.NaN, , , last = Number.NaN] = [0, 1, 2, 3].map((part) =>
    Math.min(...held.slice((part * SAMPLES) / 4, ((part + 1) * SAMPLES) / 4)),
  )
  t.diagnostic(`held at least: ${Math.round(first)} MiB in the first quarter, ${Math.round(last)} in the last`)
  assert.equal(held.length, SAMPLES)
  assert.ok(last - first < MOST_GROWN_MIB)
})

test('a run on a finished archive fetches nothing, and a dry run writes nothing', async (t) => {
  const before = getsOf(proxy).length
  const started = performance.now()
  const again = await cli(args, { env })
  assert.equal(again.code, 0, again.stderr)
  assert.ok(rowsOfType(again, 'file').every(({ status }) => status === 'kept'))
  assert.equal(getsOf(proxy).length, before)
  t.diagnostic(`${FILES} files checked in ${Math.round(performance.now() - started)} ms`)
  const elsewhere = home.in('dry')
  const dry = await cli(['archive', code, '-o', elsewhere, '--dry-run', '--json'], { env })
  assert.equal(dry.code, 0, dry.stderr)
  assert.equal(rowsOfType(dry, 'file').filter(({ status }) => status === 'planned').length, FILES)
  await assert.rejects(readdir(elsewhere), { code: 'ENOENT' })
})

test(`verify finds a flipped byte, a truncation and a missing file among ${FILES}, and archive mends them`, async () => {
  const names = (await readdir(join(directory, code))).sort()
  const [flipped = '', short = '', gone = ''] = [names[17], names[500], names[999]].map((name) =>
    join(directory, code, name ?? ''),
  )
  const file = await open(flipped, 'r+')
  const { buffer } = await file.read(Buffer.alloc(1), 0, 1, 100)
  await file.write(Buffer.from([buffer.readUInt8(0) ^ 1]), 0, 1, 100)
  await file.close()
  await truncate(short, 50)
  await rm(gone)
  const found = await cli(['verify', directory, '--json'])
  assert.equal(found.code, 6, found.stderr)
  const wrong = rowsOfType(found, 'checked').filter(({ result }) => result !== 'right')
  assert.deepEqual(
    wrong.map(({ path, result }) => [join(directory, String(path)), result]).sort(),
    [
      [flipped, 'changed'],
      [short, 'truncated'],
      [gone, 'absent'],
    ].sort(),
  )
  const words = await cli(['verify', directory])
  assert.match(words.stdout, /other bytes.*\n.*|missing/)
  assert.match(words.stderr, new RegExp(`${FILES - 3} right .*, 3 wrong`))
  const before = getsOf(proxy).length
  assert.equal((await cli(args, { env })).code, 0)
  assert.equal(getsOf(proxy).length - before, 3)
  assert.equal((await cli(['verify', directory], { env: {} })).code, 0)
  assert.deepEqual(await hashesIn(join(directory, code)), expected)
})

function getsOf({ passed }: FaultProxy) {
  return passed.filter(({ method, target }) => method === 'GET' && target.startsWith('/attache/'))
}

/** The keys of what a run that was killed has left. */
interface OnDisk {
  /** Under its name, or finished but for the name. */
  whole: Set<string>
  begun: Set<string>
}

async function onDisk(): Promise<OnDisk> {
  const [whole, begun] = [new Set<string>(), new Set<string>()]
  for (const { key, path } of (await readManifest(directory)).values()) {
    const [named, part] = await Promise.all([sizeOf(join(directory, path)), sizeOf(join(directory, `${path}.part`))])
    if (named !== undefined || part === sizes.get(key)) whole.add(key)
    // A smaller one is written in one call, whole, and never gone on with.
    else if (part && (sizes.get(key) ?? 0) > SMALL_BYTES) begun.add(key)
  }
  return { whole, begun }
}

async function sizeOf(path: string): Promise<number | undefined> {
  return stat(path).then(
    ({ size }) => size,
    () => undefined,
  )
}

interface Requests {
  full: number
  resumed: number
  /** Keys that were asked for although they were there whole, or from their beginning although a part was there. */
  again: string[]
}

function requestsIn({ passed }: FaultProxy, kills: readonly OnDisk[]): Requests {
  const requests: Requests = { full: 0, resumed: 0, again: [] }
  let killed = 0
  for (const { method, target, headers } of passed) {
    if (method === 'KILLED') killed++
    if (method !== 'GET' || !target.startsWith('/attache/')) continue
    const key = decodeURIComponent(target.slice('/attache/'.length).split('?')[0] ?? '')
    const { whole, begun } = kills[killed - 1] ?? {}
    if (whole?.has(key) || (begun?.has(key) && headers.range === undefined)) requests.again.push(key)
    if (headers.range === undefined) requests.full++
    else requests.resumed++
  }
  return requests
}

async function hashesIn(path: string): Promise<string[]> {
  const names = await readdir(path)
  const hash = async (name: string) =>
    createHash('sha256')
      .update(await readFile(join(path, name)))
      .digest('hex')
  return (await Promise.all(names.map(hash))).sort()
}

/** A run, and the most memory that it had; Linux only. */
async function watched(given: string[]) {
  const { pid, ended } = startCli(given, { env })
  let peakMib = 0
  const look = () => {
    try {
      const [, kib] = /VmHWM:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8')) ?? []
      peakMib = Math.max(peakMib, Math.round(Number(kib ?? 0) / 1024))
    } catch {}
  }
  const timer = setInterval(look, 20)
  const outcome = await ended.finally(() => clearInterval(timer))
  return { peakMib, outcome }
}
