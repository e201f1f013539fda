import assert from 'node:assert/strict'
import { it } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import type { RecordLock } from './dialects.ts'
import { describeOnPostgres, newDatabase, type TestDatabase } from './postgres.fixture.ts'

describeOnPostgres('the lock of upkeep in PostgreSQL', () => {
  it('is held by one at a time, of all who use the database', async () => {
    const [database, other] = [await newDatabase(), await newDatabase()]
    const first = await lockOf(database)
    assert.ok(first.held())
    assert.equal(await database.dialect().lock?.(), undefined)
    await (await lockOf(other)).release()
    await first.release()
    const next = await lockOf(database)
    assert.ok(next.held())
    await next.release()
  })

  it('is lost with its connection, and known to be', async () => {
    const database = await newDatabase()
    const lock = await lockOf(database)
    assert.ok(lock.held())
    await database.run("select pg_terminate_backend(pid) from pg_locks where locktype = 'advisory'")
    while (lock.held()) await pause(10)
    const next = await lockOf(database)
    assert.ok(next.held())
    await next.release()
  })
})

async function lockOf(database: TestDatabase): Promise<RecordLock> {
  const lock = await database.dialect().lock?.()
  assert.ok(lock, 'somebody else holds it')
  return lock
}
