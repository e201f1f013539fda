/** Disks that fail for real: the service says so, refuses uploads, and goes on giving out what it has. */
import assert from 'node:assert/strict'
import { execFileSync, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { type Attache, bytesOf, formOf, postForm, startAttache, statusOf, until } from './server.ts'
import { done } from './verbs.ts'

const bytes = randomBytes(100_000)

interface Readiness {
  status: number
  reasons: string[]
}

async function readiness({ url }: Attache): Promise<Readiness> {
  const response = await fetch(`${url}/readyz`)
  const body = (await response.json()) as { errorDetails?: { message: string }[] }
  return { status: response.status, reasons: (body.errorDetails ?? []).map(({ message }) => message) }
}

async function metric({ url }: Attache): Promise<string | undefined> {
  return /^attache_read_only (\d)$/m.exec(await (await fetch(`${url}/metrics`)).text())?.[1]
}

async function lostLines({ url }: Attache): Promise<number> {
  const text = await (await fetch(`${url}/metrics`)).text()
  return Number(/^attache_audit_lost_lines_total (\d+)$/m.exec(text)?.[1])
}

async function upload(attache: Attache, token: string): Promise<number> {
  const response = await postForm(attache.url, token, formOf('a.bin', bytes))
  await response.arrayBuffer()
  assert.ok(response.status !== 503 || Number(response.headers.get('retry-after')) > 0)
  return response.status
}

/** What needs no disk: a new token, links for what is there, its bytes. */
async function stillServes(attache: Attache, url: string, file: { fileId: string; key: string }): Promise<void> {
  assert.ok((await bytesOf(await fetch(url))).equals(bytes))
  const token = await attache.token()
  const asked = { method: 'POST', headers: { 'content-type': 'application/json' } }
  const body = JSON.stringify([{ id: file.fileId, key: file.key, expiration: 60 }])
  const links = await fetch(`${attache.url}/api/openapi/v2/attachment/downloadurls?accessToken=${token}`, {
    ...asked,
    body,
  })
  const [link] = (await links.json()) as { url: string }[]
  assert.equal(await statusOf(link?.url ?? ''), 200)
}

/** Makes fsync fail in a running process, of these files or of all, until it is stopped. */
async function failingSync(pid: number, paths: string[]) {
  const only = paths.flatMap((path) => ['-P', path])
  const what = ['-e', 'trace=fsync', '-e', 'inject=fsync:error=EIO']
  const tracer = spawn('strace', ['-f', '-p', String(pid), ...only, ...what], { stdio: ['ignore', 'ignore', 'pipe'] })
  let said = ''
  tracer.stderr.setEncoding('utf8').on('data', (text: string) => {
    said += text
  })
  await until(10_000, async () => (/attached/.test(said) ? true : undefined))
  return {
    async stop() {
      tracer.kill('SIGINT')
      await once(tracer, 'exit')
    },
  }
}

const noTracing = works('strace', ['-e', 'trace=none', 'true']) ? false : 'strace can not trace here'

for (const [store, files] of [
  ['blobs', []],
  ['records', ['records.sqlite', 'records.sqlite-wal']],
] as const) {
  test(`failing fsyncs of ${store} make the service read-only, until one works again`, {
    skip: noTracing,
  }, async () => {
    const data = await mkdtemp(join(tmpdir(), 'attache-fault-'))
    const attache = await startAttache({ data })
    const file = await attache.upload('a.bin', bytes)
    const { url } = await attache.linkOf(file)
    const token = await attache.token()
    assert.deepEqual([await readiness(attache), await metric(attache)], [{ status: 200, reasons: [] }, '0'])

    const fault = await failingSync(
      attache.pid,
      files.map((name) => join(data, name)),
    )
    assert.equal(await upload(attache, token), 503)
    const reasons = [`${store}: an fsync failed: check the disk; writes begin again when one succeeds`]
    // Longer than it takes to look again.
    for (let i = 0; i < 30; i++) {
      assert.equal(await upload(attache, token), 503)
      assert.deepEqual([await readiness(attache), await metric(attache)], [{ status: 503, reasons }, '1'])
      await pause(100)
    }
    await stillServes(attache, url, file)
    await until(5000, async () => (/EIO|disk I\/O error/.test(attache.stderr()) ? true : undefined))
    await fault.stop()
    await until(5000, async () => ((await upload(attache, token)) === 200 ? true : undefined))
    assert.deepEqual([await readiness(attache), await metric(attache)], [{ status: 200, reasons: [] }, '0'])
    await stillServes(attache, url, file)
    assert.deepEqual(await readdir(join(data, 'tmp')), [])
    await attache.stop()
    await done(['verify'], data)
    await rm(data, { recursive: true })
  })
}

const noLimits = works('prlimit', ['--version']) ? false : 'there is no prlimit here'

test('files that may not grow make it read-only, and it recovers by itself when they may', {
  skip: noLimits,
}, async () => {
  const attache = await startAttache()
  const file = await attache.upload('a.bin', bytes)
  const { url } = await attache.linkOf(file)
  const token = await attache.token()
  const limit = (size: string) => execFileSync('prlimit', ['--pid', String(attache.pid), `--fsize=${size}:`])
  limit('1000')
  assert.equal(await upload(attache, token), 503)
  await stillServes(attache, url, file)
  // The token that was just given is a row, which the database could not take.
  assert.deepEqual(await readiness(attache), { status: 503, reasons: ['records: the database can not be written'] })
  assert.equal(await metric(attache), '1')
  assert.equal(await upload(attache, token), 503)
  limit('unlimited')
  assert.equal(await upload(attache, token), 200)
  assert.deepEqual([(await readiness(attache)).status, await metric(attache)], [200, '0'])
  await stillServes(attache, url, file)
  await attache.stop()
})

const tmpfs = await mountTmpfs()
after(() => tmpfs.unmount())

test('a full disk refuses uploads, keeps nothing of them, and takes them again when there is room', {
  skip: tmpfs.skip,
}, async () => {
  const attache = await startAttache({ data: tmpfs.path })
  const file = await attache.upload('a.bin', bytes)
  const { url } = await attache.linkOf(file)
  const token = await attache.token()
  const filler = join(tmpfs.path, 'filler')
  await assert.rejects(writeFile(filler, randomBytes(64 * 1024 * 1024)), { code: 'ENOSPC' })
  for (let i = 0; i < 5; i++) assert.equal(await upload(attache, token), 503)
  for (let i = 0; i < 5; i++) await stillServes(attache, url, file)
  const full = await readiness(attache)
  assert.ok(full.status === 200 || full.reasons.includes('records: the disk is full'), JSON.stringify(full))
  // The probe of a readiness check may be on its way.
  const left = (await readdir(join(tmpfs.path, 'tmp'))).filter((name) => !name.startsWith('check-'))
  assert.deepEqual(left, [])
  await until(10_000, async () => {
    await stillServes(attache, url, file)
    return (await lostLines(attache)) > 0 ? true : undefined
  })
  await rm(filler)
  assert.equal(await upload(attache, token), 200)
  assert.deepEqual([(await readiness(attache)).status, await metric(attache)], [200, '0'])
  await attache.stop()
})

function works(program: string, args: string[]): boolean {
  try {
    execFileSync(program, args, { stdio: 'ignore' })
    return true
  } catch {
    return false
  }
}

async function mountTmpfs() {
  const path = await mkdtemp(join(tmpdir(), 'attache-full-'))
  const mounted = works('mount', ['-t', 'tmpfs', '-o', 'size=16m', 'tmpfs', path])
  const unmount = async () => {
    if (!mounted) return
    execFileSync('umount', ['-l', path])
    await rm(path, { recursive: true })
  }
  if (!mounted) await rm(path, { recursive: true })
  return { path, unmount, skip: mounted ? false : 'mounting a tmpfs needs root' }
}
