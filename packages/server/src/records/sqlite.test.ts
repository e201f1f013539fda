import assert from 'node:assert/strict'
import { mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
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
