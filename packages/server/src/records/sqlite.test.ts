import assert from 'node:assert/strict'
import { mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { it } from 'node:test'
import { sqlite, sqliteInMemory } from './dialects.ts'
import { recordStoreContract } from './record-store.contract.ts'
import { sqlRecords } from './sql-records.ts'

const newFile = async () => join(await mkdtemp(join(tmpdir(), 'attache-records-')), 'records.sqlite')

recordStoreContract('node:sqlite', async () => sqlRecords(sqlite({ file: await newFile(), durability: 'strict' })))
recordStoreContract('node:sqlite in memory', async () => sqlRecords(sqliteInMemory().dialect))

it('opens a database that is up to date again, with what it held', async () => {
  const file = await newFile()
  const first = await sqlRecords(sqlite({ file, durability: 'strict' }))
  await first.links.rotateKey('aa', 1, 1)
  await first.close()
  const again = await sqlRecords(sqlite({ file, durability: 'strict' }))
  assert.equal((await again.links.keys()).length, 1)
  await again.close()
})

it('goes on reading, and answering others, while another process writes', async () => {
  const file = await newFile()
  const store = await sqlRecords(sqlite({ file, durability: 'strict' }))
  await using _closing = { [Symbol.asyncDispose]: () => store.close() }
  using other = new DatabaseSync(file)
  other.exec('begin immediate')
  let written = false
  const writing = store.links.rotateKey('aa', 1, 1).then(() => {
    written = true
  })
  for (let turn = 0; turn < 20; turn++) {
    assert.deepEqual(await store.links.keys(), [])
    await new Promise((resolve) => setImmediate(resolve))
  }
  assert.equal(written, false)
  other.exec('rollback')
  await writing
  assert.equal((await store.links.keys()).length, 1)
})
