/** What keeps data well: verify, gc, backup while the server writes, restore. */
import assert from 'node:assert/strict'
import { execFileSync, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import {
  copyFile,
  link,
  mkdir,
  mkdtemp,
  open,
  readdir,
  readFile,
  rm,
  stat,
  truncate,
  utimes,
  writeFile,
} from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { after, before, test } from 'node:test'
import { exists, run } from './programs.ts'
import { type Attache, bytesOf, environment, PROGRAM, type Ref, startAttache, until } from './server.ts'
import { done, verb } from './verbs.ts'

let attache: Attache
let directory: string
const files = new Map<string, Buffer<ArrayBuffer>>()
const refs: Ref[] = []
before(async () => {
  directory = await mkdtemp(join(tmpdir(), 'attache-upkeep-'))
  attache = await startAttache({ data: join(directory, 'data') })
  for (let count = 0; count < 60; count++) await uploadOne()
})
after(async () => {
  await attache.stop()
  await rm(directory, { recursive: true, force: true })
})

async function uploadOne(): Promise<void> {
  const bytes = randomBytes(1 + (files.size % 7) * 20_000)
  const { fileId, key } = await attache.upload(`文件 ${files.size}.bin`, bytes)
  files.set(fileId, bytes)
  refs.push({ id: fileId, key, expiration: 600 })
}

/** What a verb waited for the disk with. */
async function syncedBy(args: string[], data: string): Promise<Set<string>> {
  const log = join(directory, 'syncs')
  const traced = ['-f', '-y', '-e', 'trace=fsync,fdatasync', '-o', log, process.execPath, PROGRAM, ...args]
  await run('strace', traced, { env: environment({ ATTACHE_DATA: data }) })
  const calls = await readFile(log, 'utf8')
  return new Set([...calls.matchAll(/f(?:data)?sync\(\d+<([^>]+)>/g)].map(([, path = '']) => path))
}

async function blobsOf(data: string): Promise<string[]> {
  const names = await readdir(join(data, 'blobs'), { recursive: true, withFileTypes: true })
  return names.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name))
}

test('a backup that is made while uploads go on holds every record with its bytes, and starts as it is', async () => {
  const to = join(directory, 'backup')
  const going = { on: true }
  const load = (async () => {
    while (going.on) await uploadOne()
  })()
  const before = files.size
  const said = await done(['backup', '--to', to], attache.data)
  going.on = false
  await load
  const [, count = ''] = /^(\d+) attachments/.exec(said) ?? []
  assert.ok(Number(count) >= before && Number(count) <= files.size, said)
  assert.equal((await stat(join(to, 'root.secret'))).mode & 0o777, 0o600)

  // A second one copies only what is new, and leaves out what was removed.
  const [gone] = refs
  assert.ok(gone)
  await done(['attachment', 'remove', gone.id], attache.data)
  refs.shift()
  const again = await done(['backup', '--to', to], attache.data)
  assert.match(again, new RegExp(`^${refs.length} attachments, ${refs.length + 1 - Number(count)} copied`))
  assert.equal((await blobsOf(to)).length, refs.length)

  const data = join(directory, 'restored')
  const restored = await done(['restore', '--from', to], data)
  assert.match(restored, new RegExp(`^all ${refs.length} attachments`))
  const links = await attache.links(refs)
  const other = await startAttache({ data })
  // Links of the first server work at the second: the secret came along.
  for (const { id, url } of links) {
    const answer = await fetch(url.replace(attache.url, other.url))
    assert.equal(answer.status, 200)
    assert.ok((await bytesOf(answer)).equals(files.get(id) as Buffer), id)
  }
  await other.stop()
})

test('a backup takes the place of the earlier root secret as a whole, so that a kill leaves one or the other', async () => {
  const to = join(directory, 'backup')
  const [earlier, beside] = [join(to, 'root.secret'), join(directory, 'earlier.secret')]
  await link(earlier, beside)
  const rootSecretFile = join(directory, 'new.secret')
  await writeFile(rootSecretFile, 'f'.repeat(64), { mode: 0o600 })
  const before = await readFile(earlier, 'utf8')
  const env = { ATTACHE_DATA: attache.data, ATTACHE_ROOT_SECRET_FILE: rootSecretFile }
  assert.equal((await verb(['backup', '--to', to], { env })).code, 0)
  assert.equal(await readFile(earlier, 'utf8'), 'f'.repeat(64))
  assert.equal(await readFile(beside, 'utf8'), before)
  await done(['backup', '--to', to], attache.data)
})

test('backup and restore have waited for the disk with every file and every directory', async (t) => {
  if (!(await exists('strace'))) return t.skip('strace is missing')
  const [to, data] = [join(directory, 'new', 'synced'), join(directory, 'synced-data')]
  const copied = await syncedBy(['backup', '--to', to], attache.data)
  const files = await blobsOf(to)
  const shards = new Set(files.map((path) => dirname(path)))
  const written = [...files.map((path) => `${path}.new`), join(to, 'root.secret.new'), join(to, 'records.sqlite.new')]
  const above = [to, join(to, 'blobs'), dirname(to), directory]
  for (const path of [...written, ...shards, ...above]) assert.ok(copied.has(path), `${path} was not waited for`)

  const restored = await syncedBy(['restore', '--from', to], data)
  const names = [join(data, 'root.secret'), join(data, 'records.sqlite'), ...(await blobsOf(data))]
  const directories = [...names.map((path) => dirname(path)), join(data, 'blobs'), directory]
  for (const path of [...names, ...directories]) assert.ok(restored.has(path), `${path} was not waited for`)
})

test('restore leaves behind what a killed backup had not finished', async () => {
  const [from, data] = [join(directory, 'backup'), join(directory, 'finished')]
  const [blob = ''] = await blobsOf(from)
  const unfinished = [`${blob}.new`, join(from, 'records.sqlite.new'), join(from, 'records.sqlite.new-journal')]
  for (const path of unfinished) await writeFile(path, 'half')
  await done(['restore', '--from', from], data)
  const names = await readdir(data, { recursive: true })
  assert.deepEqual(
    names.filter((name) => name.includes('.new')),
    [],
  )
  for (const path of unfinished) await rm(path)
})

test('restore refuses a directory that holds something, and one that is no backup', async () => {
  const full = await verb(['restore', '--from', join(directory, 'backup')], { env: { ATTACHE_DATA: attache.data } })
  assert.deepEqual([full.code, full.stdout], [2, ''])
  assert.match(full.stderr, /is not empty/)
  const env = { ATTACHE_DATA: join(directory, 'none') }
  assert.equal((await verb(['restore', '--from', tmpdir()], { env })).code, 2)
})

test('verify finds each of 50 planted flips, cuts and losses, and no other', async () => {
  const data = join(directory, 'restored')
  const blobs = await blobsOf(data)
  const planted = blobs.sort().slice(0, 50)
  for (const [index, path] of planted.entries()) {
    if (index % 3 === 0) await rm(path)
    else if (index % 3 === 1) await truncate(path, (await stat(path)).size - 1)
    else await flip(path)
  }
  const { code, stdout } = await verb(['verify', '--json'], { env: { ATTACHE_DATA: data } })
  assert.equal(code, 1)
  const report = JSON.parse(stdout) as { attachments: number; faulty: { fault: string }[] }
  assert.equal(report.attachments, blobs.length)
  const faults = Object.groupBy(report.faulty, ({ fault }) => fault)
  assert.deepEqual(
    [faults['missing']?.length, faults['short']?.length, faults['changed']?.length, report.faulty.length],
    [17, 17, 16, 50],
  )
  assert.match(await done(['verify'], attache.data), /^all \d+ attachments/)
})

test('gc removes what no record names once it is an hour old, and only when told to', async () => {
  const blobs = join(attache.data, 'blobs', 'ab')
  const [old, young] = ['ab'.repeat(16), `${'ab'.repeat(15)}cd`]
  for (const name of [old, young]) await writeFile(join(blobs, name), 'left')
  const hourAgo = Date.now() / 1000 - 3601
  await utimes(join(blobs, old), hourAgo, hourAgo)
  for (const path of await blobsOf(attache.data)) if (!path.endsWith(young)) await utimes(path, hourAgo, hourAgo)
  assert.match(await done(['gc'], attache.data), /^would remove .*: 1 blobs, 4 bytes/)
  assert.match(await done(['gc', '--remove'], attache.data), /^removed: 1 blobs, 4 bytes/)
  assert.match(await done(['gc', '--remove'], attache.data), /^removed: 0 blobs/)
  assert.equal((await stat(join(blobs, young))).size, 4)
  assert.match(await done(['verify'], attache.data), /^all \d+ attachments/)
})

test('gc passes over what is no blob of ours, and says so', async () => {
  const blobs = join(attache.data, 'blobs', 'cd')
  const [orphan, foreign] = [join(blobs, 'cd'.repeat(16)), join(blobs, 'Thumbs.db')]
  const hourAgo = Date.now() / 1000 - 3601
  for (const path of [orphan, foreign]) {
    await writeFile(path, 'left')
    await utimes(path, hourAgo, hourAgo)
  }
  const said = await done(['gc', '--remove'], attache.data)
  assert.equal(said, 'removed: 1 blobs, 4 bytes\npassed over 1 names that are no blobs of ours\n')
  assert.equal((await stat(foreign)).size, 4)
  await rm(foreign)
})

test('gc removes nothing where no record names any blob, as with the records of another server', async () => {
  const data = join(directory, 'other-records')
  const [foreign, none] = [join(directory, 'foreign'), join(data, 'records.sqlite')]
  const restored = join(directory, 'backup')
  await done(['restore', '--from', restored], data)
  await done(['app', 'create', '--corporation', 'Other'], foreign)
  const hourAgo = Date.now() / 1000 - 3601
  for (const path of await blobsOf(data)) await utimes(path, hourAgo, hourAgo)
  const before = (await blobsOf(data)).length
  await copyFile(join(foreign, 'records.sqlite'), none)
  for (const args of [['gc'], ['gc', '--remove']]) {
    const { code, stdout, stderr } = await verb(args, { env: { ATTACHE_DATA: data } })
    assert.deepEqual([code, stdout], [2, ''])
    assert.match(stderr, /no record names any blob here .* check that the settings name the database/)
  }
  assert.ok(before > 0)
  assert.equal((await blobsOf(data)).length, before)
})

test('gc removes nothing where migrate-storage brings blobs before their records, and one that was killed is not in the way', async () => {
  const [from, data] = [join(directory, 'moving'), join(directory, 'moved')]
  await done(['restore', '--from', join(directory, 'backup')], from)
  // A pipe that nobody writes to stands for a disk that takes its time.
  const [slow = ''] = await blobsOf(from)
  await rm(slow)
  execFileSync('mkfifo', [slow])
  const env = environment({ ATTACHE_DATA: data })
  const moving = spawn(process.execPath, [PROGRAM, 'migrate-storage', '--from', from], { env, stdio: 'ignore' })
  const gone = once(moving, 'exit')
  try {
    const refused = await until(10_000, async () => {
      const { stderr } = await verb(['gc', '--remove'], { env: { ATTACHE_DATA: data } })
      return stderr.includes('migrate-storage') ? stderr : undefined
    })
    assert.match(refused, /another `gc --remove` or `migrate-storage` is at work/)
    const again = await verb(['migrate-storage', '--from', from], { env: { ATTACHE_DATA: data } })
    assert.deepEqual([again.code, again.stderr], [2, refused])
  } finally {
    moving.kill('SIGKILL')
    await gone
  }
  assert.match(await done(['gc', '--remove'], data), /^removed: 0 blobs/)
})

test('migrate-storage counts as there only what has the hash of its upload', async () => {
  const [from, data] = [join(directory, 'rotten'), join(directory, 'mended')]
  await done(['restore', '--from', join(directory, 'backup')], from)
  const [rotten = '', sound = '', ...others] = await blobsOf(from)
  await flip(rotten)
  // As a run leaves it that was killed between bringing a blob and comparing it.
  const [first, second] = [rotten.replace(from, data), sound.replace(from, data)]
  for (const [path, there] of [
    [rotten, first],
    [sound, second],
  ] as const) {
    await mkdir(dirname(there), { recursive: true })
    await copyFile(path, there)
  }
  await flip(second)
  const { code, stdout } = await verb(['migrate-storage', '--from', from, '--json'], { env: { ATTACHE_DATA: data } })
  const { copied, there, faulty } = JSON.parse(stdout) as { copied: number; there: number; faulty: string[] }
  assert.deepEqual([code, copied, there, faulty.length], [1, others.length + 1, 0, 1])
  const come = await blobsOf(data)
  assert.ok(!come.includes(first) && come.length === others.length + 1)
  assert.ok((await readFile(second)).equals(await readFile(sound)))
})

async function flip(path: string): Promise<void> {
  const handle = await open(path, 'r+')
  const byte = Buffer.alloc(1)
  await handle.read(byte, 0, 1, 0)
  byte[0] = (byte[0] ?? 0) ^ 1
  await handle.write(byte, 0, 1, 0)
  await handle.close()
}
