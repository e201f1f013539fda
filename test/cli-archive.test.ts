import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { open, readdir, readFile, rm, truncate } from 'node:fs/promises'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { after, test } from 'node:test'
import type { FaultProxy } from '../packages/client/src/fault-proxy.fixture.ts'
import { cli, rowsOfType, startCli } from './cli.ts'
import { behindProxy, documentOf } from './cli-stage.ts'

const FILES = 1000
const KILLS = 3
const CONCURRENCY = 4
const MOST_MEMORY_MIB = 160

const stage = await behindProxy()
const { proxy, env, home } = stage
after(() => stage[Symbol.asyncDispose]())

// Of 1 to 40 kB, some of the same name.
const files = Array.from({ length: FILES }, (_, index) => ({
  name: `发票 ${index % 900}.bin`,
  bytes: randomBytes(1000 + (index % 40) * 1000),
}))
const { code, hashes } = await documentOf(stage.attache, files)
const expected = [...hashes].sort()
const directory = home.in('archive')
const args = ['archive', code, '-o', directory, '--json', '--concurrency', String(CONCURRENCY)]

test(`an archive of ${FILES} attachments survives kill -9 three times`, async (t) => {
  const started = performance.now()
  const settled: string[] = []
  for (let kill = 1; kill <= KILLS; kill++) {
    const running = startCli(args, { env })
    let fresh = 0
    for await (const line of createInterface({ input: running.child.stdout.resume() })) {
      if (line.includes('"saved"') && ++fresh === FILES / 5) running.child.kill('SIGKILL')
    }
    assert.equal((await running.ended.catch(() => undefined))?.signal ?? 'SIGKILL', 'SIGKILL')
    // What the manifest calls saved at this moment must never be asked for again.
    settled.push(...(await savedIn(directory)).filter((key) => !settled.includes(key)))
    proxy.passed.push({ method: 'KILLED', target: String(settled.length), headers: {}, status: undefined })
  }
  const { peakMib, outcome } = await watched(args)
  assert.equal(outcome.code, 0, outcome.stderr)
  assert.equal(rowsOfType(outcome, 'file').length, FILES)
  const found = await hashesIn(join(directory, code))
  assert.deepEqual(found, expected)
  const { full, resumed, again, early } = requestsIn(proxy, settled)
  t.diagnostic(
    `${Math.round(performance.now() - started)} ms; ${full} full GETs and ${resumed} resumed for ${FILES} files; ` +
      `${again} fetched again that were under way at a kill; peak memory ${peakMib} MiB`,
  )
  assert.deepEqual(early, [], 'a file that was settled in the manifest was fetched again')
  assert.ok(again <= KILLS * CONCURRENCY, `${again} files were fetched twice in full`)
  assert.ok(peakMib < MOST_MEMORY_MIB, `${peakMib} MiB`)
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

interface Requests {
  full: number
  resumed: number
  /** Attachments that were answered in full more than once. */
  again: number
  /** Keys that were asked for after the manifest called them saved. */
  early: string[]
}

function requestsIn({ passed }: FaultProxy, settled: readonly string[]): Requests {
  const [full, resumed] = [new Map<string, number>(), new Map<string, number>()]
  const early: string[] = []
  let settledSoFar = new Set<string>()
  for (const { method, target, headers, status } of passed) {
    if (method === 'KILLED') settledSoFar = new Set(settled.slice(0, Number(target)))
    if (method !== 'GET' || !target.startsWith('/attache/')) continue
    const key = decodeURIComponent(target.slice('/attache/'.length).split('?')[0] ?? '')
    if (settledSoFar.has(key)) early.push(key)
    const seen = headers.range === undefined && status === 200 ? full : resumed
    seen.set(key, (seen.get(key) ?? 0) + 1)
  }
  const again = [...full.values()].filter((count) => count > 1).length
  return { full: sum(full), resumed: sum(resumed), again, early }
}

function sum(counts: ReadonlyMap<string, number>): number {
  return [...counts.values()].reduce((total, count) => total + count, 0)
}

async function savedIn(path: string): Promise<string[]> {
  const lines = (await readFile(join(path, 'manifest.jsonl'), 'utf8')).split('\n').slice(0, -1)
  const entries = lines.map((line) => JSON.parse(line) as { key: string; status: string })
  return entries.filter(({ status }) => status === 'saved').map(({ key }) => key)
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
