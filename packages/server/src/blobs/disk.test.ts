import assert from 'node:assert/strict'
import { mkdir, mkdtemp, readdir, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { it } from 'node:test'
import { blobStoreContract } from './blob-store.contract.ts'
import { diskBlobs } from './disk.ts'

const newDirectory = () => mkdtemp(join(tmpdir(), 'attache-blobs-'))

blobStoreContract('disk', async () =>
  diskBlobs({ directory: await newDirectory(), durability: 'strict', sweepTemporary: true }),
)

it('leaves nothing under tmp after a put that failed, and empties it when it opens', async () => {
  const directory = await newDirectory()
  const store = await diskBlobs({ directory, durability: 'strict', sweepTemporary: true })
  const failing = async function* () {
    yield Buffer.from('half')
    throw new Error('gone')
  }
  await assert.rejects(store.put('0'.repeat(32), failing()))
  assert.deepEqual(await readdir(join(directory, 'tmp')), [])
  await store.close()
  await writeFile(join(directory, 'tmp', 'left-by-a-killed-process'), 'half')
  const again = await diskBlobs({ directory, durability: 'strict', sweepTemporary: true })
  assert.deepEqual(await readdir(join(directory, 'tmp')), [])
  await again.close()
})

it('keeps blobs for the owner only', async () => {
  const directory = await newDirectory()
  const store = await diskBlobs({ directory, durability: 'strict', sweepTemporary: true })
  const one = async function* () {
    yield Buffer.from('one')
  }
  const id = 'ab'.repeat(16)
  await store.put(id, one())
  assert.equal((await stat(join(directory, 'blobs', 'ab', id))).mode & 0o777, 0o600)
  assert.equal((await stat(join(directory, 'blobs'))).mode & 0o777, 0o700)
  await store.close()
})

it('lists what could be a blob of its own, and tells of other names', async () => {
  const directory = await newDirectory()
  const store = await diskBlobs({ directory, durability: 'strict', sweepTemporary: true })
  const shard = join(directory, 'blobs', 'ab')
  const id = 'ab'.repeat(16)
  const misplaced = 'cd'.repeat(16)
  const folder = `${'ab'.repeat(15)}00`
  for (const name of [id, `${id}.new`, '.DS_Store', 'ABAB', misplaced]) await writeFile(join(shard, name), 'some')
  await mkdir(join(shard, folder))
  const foreign: string[] = []
  const listed = await Array.fromAsync(store.list('', (name) => foreign.push(name)))
  assert.deepEqual(
    listed.map((blob) => blob.id),
    [id],
  )
  const others = [`${id}.new`, '.DS_Store', 'ABAB', misplaced, folder]
  assert.deepEqual(foreign.sort(), others.map((name) => `ab/${name}`).sort())
  await store.close()
})

it('refuses an id that could be a path', async () => {
  const store = await diskBlobs({ directory: await newDirectory(), durability: 'strict', sweepTemporary: true })
  await assert.rejects(store.read('../../etc/passwd', { first: 0, last: 0 }), /lower-case hex/)
  await store.close()
})
