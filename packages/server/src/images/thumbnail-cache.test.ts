import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { mkdtemp, readdir, readFile, rm, stat, truncate, utimes, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { type ThumbnailCache, thumbnailCache } from './thumbnail-cache.ts'

const BLOB = 'ab'.repeat(16)
const OTHER = 'cd'.repeat(16)
const IMAGE = { body: Buffer.from('pixels'), contentType: 'image/png' }
const root = await mkdtemp(join(tmpdir(), 'thumbnail-cache-'))
const always = () => true

after(() => rm(root, { recursive: true }))

test('gives back what was written, also in its next life', async () => {
  const directory = fresh()
  const result = { blobId: BLOB, process: 'image/resize,w_1' }
  const first = open(directory)
  assert.equal(await first.read(result), undefined)
  await first.write(result, IMAGE, always)
  assert.deepEqual(await first.read(result), IMAGE)
  await first.close()
  const second = open(directory)
  assert.deepEqual(await second.read(result), IMAGE, 'before its scan is over')
  assert.equal(await second.read({ ...result, process: 'image/resize,w_2' }), undefined)
  await second.scanned
  assert.equal(second.usedBytes(), 2 * 4096)
})

test('removes a torn file and reads it as absent', async () => {
  const directory = fresh()
  const cache = open(directory)
  const result = { blobId: BLOB, process: 'image/info' }
  const damages: ((path: string) => Promise<void>)[] = [
    (path) => truncate(path, 35),
    (path) => truncate(path, 0),
    async (path) => {
      const bytes = await readFile(path)
      bytes[bytes.length - 1] = 0
      await writeFile(path, bytes)
    },
  ]
  for (const damage of damages) {
    await cache.write(result, IMAGE, always)
    const [path = ''] = await filesIn(directory)
    await damage(path)
    assert.equal(await cache.read(result), undefined)
    assert.deepEqual(await filesIn(directory), [])
  }
})

test('holds its bound, and drops what was used least recently', async () => {
  const directory = fresh()
  const cache = open(directory, 10 * 8192)
  await cache.scanned
  for (let n = 0; n < 30; n += 1) {
    await cache.write({ blobId: id(n), process: 'p' }, IMAGE, always)
    await cache.read({ blobId: id(0), process: 'p' })
  }
  assert.ok(cache.usedBytes() <= 10 * 8192)
  await cache.close()
  assert.equal((await filesIn(directory)).length, 10)
  assert.ok(await cache.read({ blobId: id(0), process: 'p' }))
  assert.ok(await cache.read({ blobId: id(29), process: 'p' }))
  assert.equal(await cache.read({ blobId: id(1), process: 'p' }), undefined)
})

test('brings what earlier lives left under a smaller bound, the oldest going first', async () => {
  const directory = fresh()
  const large = open(directory)
  for (let n = 0; n < 8; n += 1) {
    await large.write({ blobId: id(n), process: 'p' }, IMAGE, always)
    const [path = ''] = await filesIn(join(directory, id(n).slice(0, 2), id(n)))
    await utimes(path, n, n)
  }
  await large.close()
  const small = open(directory, 3 * 8192)
  await small.write({ blobId: OTHER, process: 'p' }, IMAGE, always)
  await small.scanned
  await small.close()
  const kept = (await filesIn(directory)).map((path) => path.split('/').at(-2)).sort()
  assert.deepEqual(kept, [id(6), id(7), OTHER].sort())
})

test('clears away what a broken-off write left, and touches nothing it does not know', async () => {
  const directory = fresh()
  const first = open(directory)
  await first.write({ blobId: BLOB, process: 'p' }, IMAGE, always)
  await first.close()
  const [path = ''] = await filesIn(directory)
  const torn = `${path}.00000000-0000-0000-0000-000000000000`
  const foreign = join(path, '..', 'notes.txt')
  for (const file of [torn, foreign]) {
    await writeFile(file, 'x')
    await utimes(file, 1, 1)
  }
  const second = open(directory)
  await second.scanned
  await second.close()
  assert.deepEqual((await filesIn(directory)).sort(), [path, foreign].sort())
})

test('forgets a blob and no other, also when a write is on its way', async () => {
  const directory = fresh()
  const cache = open(directory)
  await cache.write({ blobId: BLOB, process: 'one' }, IMAGE, always)
  await cache.write({ blobId: OTHER, process: 'one' }, IMAGE, always)
  let wanted = true
  const writing = cache.write({ blobId: BLOB, process: 'two' }, IMAGE, () => wanted)
  wanted = false
  await Promise.all([cache.forget(BLOB), writing])
  assert.deepEqual(
    (await filesIn(directory)).map((path) => path.split('/').at(-2)),
    [OTHER],
  )
})

test('leaves nothing when it learns after the rename that nobody wants the result', async () => {
  const directory = fresh()
  const answers = [true, false]
  await open(directory).write({ blobId: BLOB, process: 'p' }, IMAGE, () => answers.shift() ?? false)
  assert.deepEqual(await filesIn(directory), [])
})

test('reports a disk that can not be written, and goes on', async () => {
  const blocked = fresh()
  await writeFile(blocked, 'a file where a directory should be')
  const faults: unknown[] = []
  const cache = thumbnailCache({ directory: blocked, maxBytes: 1e6, onFault: (fault) => faults.push(fault) })
  await cache.write({ blobId: BLOB, process: 'p' }, IMAGE, always)
  assert.equal(await cache.read({ blobId: BLOB, process: 'p' }), undefined)
  assert.ok(faults.length > 0)
})

function open(directory: string, maxBytes = 1e6): ThumbnailCache {
  return thumbnailCache({
    directory,
    maxBytes,
    onFault: (fault) => {
      throw fault
    },
  })
}

function fresh(): string {
  return join(root, randomBytes(8).toString('hex'))
}

function id(n: number): string {
  return n.toString(16).padStart(2, '0').repeat(16)
}

async function filesIn(directory: string): Promise<string[]> {
  const paths = (await readdir(directory, { recursive: true }).catch(() => [])).map((name) => join(directory, name))
  const facts = await Promise.all(paths.map((path) => stat(path)))
  return paths.filter((_path, n) => facts[n]?.isFile())
}
