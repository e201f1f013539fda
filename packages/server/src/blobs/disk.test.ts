import assert from 'node:assert/strict'
import { mkdtemp, readdir, stat, writeFile } from 'node:fs/promises'
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

it('refuses an id that could be a path', async () => {
  const store = await diskBlobs({ directory: await newDirectory(), durability: 'strict', sweepTemporary: true })
  await assert.rejects(store.read('../../etc/passwd', { first: 0, last: 0 }), /lower-case hex/)
  await store.close()
})
