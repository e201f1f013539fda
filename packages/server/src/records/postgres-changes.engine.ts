/** How nodes over one PostgreSQL hear of each other's changes, and come after each other in releases. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { after, before, it } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { CamelCasePlugin, Kysely } from 'kysely'
import { ConfigError } from '../errors.ts'
import { note } from './changes.ts'
import { describeOnPostgres, newDatabase, type TestDatabase } from './postgres.fixture.ts'
import type { RecordStore } from './record-store.ts'
import { appRecord } from './records.fixture.ts'
import { sqlRecords } from './sql-records.ts'
import type { Tables } from './tables.ts'

const DEADLINE_MS = 5000

describeOnPostgres('nodes over one PostgreSQL', () => {
  let database: TestDatabase
  let one: RecordStore
  let other: RecordStore
  const app = appRecord()
  before(async () => {
    database = await newDatabase()
    one = await sqlRecords(database.dialect())
    other = await sqlRecords(database.dialect())
    await one.apps.add(app)
  })
  after(async () => {
    await one.close()
    await other.close()
  })

  async function until(is: () => Promise<boolean>): Promise<void> {
    const started = performance.now()
    while (!(await is())) {
      assert.ok(performance.now() - started < DEADLINE_MS)
      await pause(5)
    }
  }

  it('miss no change of a transaction that commits after a later one began', async () => {
    const dialect = database.dialect()
    const slow = new Kysely<Tables>({ dialect: dialect.dialect, plugins: [new CamelCasePlugin()] })
    let seen = await other.lastChange()
    const subjects: string[] = []
    const follow = async () => {
      for (const { seq, subject } of await other.changesSince(seen)) {
        seen = seq
        subjects.push(subject)
      }
    }
    let second: Promise<unknown> | undefined
    await slow.transaction().execute(async (transaction) => {
      await note(transaction, { kind: 'links-revoked', subject: 'first', at: 1 }, dialect)
      let ended = false
      second = one.links.raiseEpoch(app.corporationId, 1).then(() => {
        ended = true
      })
      const waiting = "select 1 from pg_stat_activity where wait_event = 'advisory' and datname = current_database()"
      await until(async () => ended || (await database.run(waiting)).length > 0)
      await follow()
    })
    await second
    await follow()
    assert.deepEqual(subjects, ['first', app.corporationId])
    await slow.destroy()
  })

  it('hear of a change at once, and again after the connection was lost', async (t) => {
    const heard = new EventTarget()
    const next = () => once(heard, 'change', { signal: AbortSignal.timeout(DEADLINE_MS) })
    const listening = next()
    other.watch?.(() => heard.dispatchEvent(new Event('change')))
    await listening
    const delays: number[] = []
    for (let round = 0; round < 10; round++) {
      const notice = next()
      const started = performance.now()
      await one.links.raiseEpoch(app.corporationId, 1)
      await notice
      delays.push(performance.now() - started)
    }
    t.diagnostic(`from the call to the notice: ${Math.max(...delays).toFixed(1)} ms at most`)
    const again = next()
    await database.run(
      "select pg_terminate_backend(pid) from pg_stat_activity where query like 'listen %' and datname = current_database()",
    )
    await again
    const notice = next()
    await one.links.raiseEpoch(app.corporationId, 1)
    await notice
  })

  it('of the release before run on after a migration, unless it is one that breaks them', async () => {
    const migrated = (name: string) => database.run(`insert into kysely_migration values ('${name}', '2030-01-01')`)
    await migrated('9998-of-a-newer-release')
    const older = await sqlRecords(database.dialect())
    assert.equal((await older.apps.find(app.appKey))?.appKey, app.appKey)
    await older.close()
    await migrated('9999-renames-a-column-breaking')
    await assert.rejects(sqlRecords(database.dialect()), ConfigError)
  })
})
