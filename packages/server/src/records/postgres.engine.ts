import assert from 'node:assert/strict'
import { it } from 'node:test'
import { copyContract } from './copy.contract.ts'
import { describeOnPostgres, newDatabase } from './postgres.fixture.ts'
import { recordStoreContract } from './record-store.contract.ts'
import { sqlRecords } from './sql-records.ts'

describeOnPostgres('PostgreSQL', () => {
  recordStoreContract('PostgreSQL', async () => sqlRecords((await newDatabase()).dialect()))
  copyContract('PostgreSQL', async () => (await newDatabase()).dialect)

  it('is brought up to date by nodes that start at once, and has one first key', async () => {
    const { dialect } = await newDatabase()
    const stores = await Promise.all(Array.from({ length: 5 }, () => sqlRecords(dialect())))
    await Promise.all(stores.map((store, index) => store.links.ensureKey(`a${index}`, index)))
    assert.equal((await stores[0]?.links.keys())?.length, 1)
    for (const store of stores) await store.close()
  })
})
