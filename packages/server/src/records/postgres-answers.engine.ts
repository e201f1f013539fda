/** What a store says when PostgreSQL, or the way to it, gives no answer or half of one. */
import assert from 'node:assert/strict'
import { after, before, it } from 'node:test'
import { Kysely, sql } from 'kysely'
import { Failure } from '../errors.ts'
import { describeOnPostgres, newDatabase, type TestDatabase } from './postgres.fixture.ts'
import { type PostgresProxy, postgresProxy } from './postgres-proxy.fixture.ts'
import type { AppRecord, RecordStore } from './record-store.ts'
import { appRecord, attachmentRecord, tokenRecord } from './records.fixture.ts'
import { sqlRecords } from './sql-records.ts'

const WITHIN_MS = 2000

describeOnPostgres('PostgreSQL behind a network', () => {
  let database: TestDatabase
  let proxy: PostgresProxy
  let store: RecordStore
  let app: AppRecord
  before(async () => {
    database = await newDatabase()
    proxy = await postgresProxy(database.url)
    store = await sqlRecords(database.dialect({ address: proxy.address, connections: 4 }))
    app = appRecord()
    await store.apps.add(app)
  })
  after(async () => {
    await store.close()
    await proxy.close()
  })

  async function took(work: () => Promise<unknown>): Promise<number> {
    const started = performance.now()
    await work()
    return performance.now() - started
  }

  const refusedInTime = async (work: () => Promise<unknown>) => {
    const milliseconds = await took(() => assert.rejects(work(), isUnavailable))
    assert.ok(milliseconds < WITHIN_MS, `${milliseconds} ms`)
  }

  for (const how of ['cut', 'silence'] as const) {
    it(`adds an attachment once, and without an error, when the answer is lost (${how})`, async (t) => {
      const attachment = attachmentRecord(app.corporationId, 'a.pdf')
      const { attachments: counted } = await store.quotas.usage(app.corporationId)
      const losses = proxy.lost()
      proxy.loseAnswer(/insert into "attachments"/, how)
      const milliseconds = await took(() => store.attachments.add(attachment))
      t.diagnostic(`answer lost by ${how}: added once, told after ${milliseconds.toFixed(0)} ms`)
      assert.equal(proxy.lost(), losses + 1)
      assert.ok(milliseconds < WITHIN_MS)
      assert.deepEqual(await store.attachments.byFileIds([attachment.fileId]), [attachment])
      assert.equal((await store.quotas.usage(app.corporationId)).attachments, counted + 1)
    })

    it(`adds a token when the answer is lost (${how})`, async () => {
      const token = tokenRecord(app)
      proxy.loseAnswer(/insert into "access_tokens"/, how)
      assert.ok((await took(() => store.tokens.add(token))) < WITHIN_MS)
      assert.deepEqual(await store.tokens.find(token.tokenHash), token)
    })

    it(`says that it does not know when the answer to COMMIT is lost (${how})`, async () => {
      const attachment = attachmentRecord(app.corporationId, 'a.pdf')
      await store.attachments.add(attachment)
      proxy.loseAnswer(/^commit/, how)
      await refusedInTime(() => store.attachments.remove(attachment.fileId, 1))
      assert.equal(await store.attachments.remove(attachment.fileId, 1), undefined)
    })
  }

  it('takes one round trip for what a request asks, whatever its size', async () => {
    const all = Array.from({ length: 200 }, () => attachmentRecord(app.corporationId, 'a.pdf'))
    await Promise.all(all.map((attachment) => store.attachments.add(attachment)))
    const ids = Array.from({ length: 10_000 }, (_, index) => all[index]?.fileId ?? `unknown-${index}`)
    const token = tokenRecord(app)
    const trips: Record<string, number> = {}
    const count = async (name: string, work: () => Promise<unknown>) => {
      proxy.roundTrips()
      await work()
      trips[name] = proxy.roundTrips()
    }
    await count('one id', () => store.attachments.byFileIds(ids.slice(0, 1)))
    await count('10,000 ids', async () => assert.equal((await store.attachments.byFileIds(ids)).length, 200))
    await count('byKey', () => store.attachments.byKey(all[0]?.key ?? ''))
    await count('add', () => store.attachments.add(attachmentRecord(app.corporationId, 'b.pdf')))
    await count('token', () => store.tokens.add(token))
    await count('find', () => store.tokens.find(token.tokenHash))
    assert.deepEqual(new Set(Object.values(trips)), new Set([1]), JSON.stringify(trips))
  })

  it('answers in time when the server hangs, however many ask, and goes on after it', async () => {
    await store.check()
    proxy.hang(true)
    // Sent, and never answered.
    await assert.rejects(store.attachments.add(attachmentRecord(app.corporationId, 'c.pdf')), {
      code: 'StoredPerhaps',
      retryAfterSeconds: undefined,
    })
    const calls = Array.from({ length: 40 }, (_, index) =>
      refusedInTime(async () =>
        index % 2 === 0
          ? await store.attachments.byKey('a')
          : await store.attachments.add(attachmentRecord(app.corporationId, 'c.pdf')),
      ),
    )
    await Promise.all(calls)
    await refusedInTime(() => store.check())
    proxy.hang(false)
    const recovered = await took(() => store.check())
    assert.ok(recovered < WITHIN_MS)
  })

  it('holds no more connections than were allowed, with that of its listener', async () => {
    const other = await sqlRecords(database.dialect({ connections: 3 }))
    const heard = new Promise<void>((resolve) => other.watch?.(resolve))
    await Promise.all(Array.from({ length: 60 }, () => other.apps.find(app.appKey)))
    await heard
    await store.close()
    const open = "select 1 from pg_stat_activity where application_name = 'attache' and datname = current_database()"
    let count = 0
    // Those of the store that was closed may take a moment to leave.
    for (const from = performance.now(); count !== 3 && performance.now() - from < WITHIN_MS; )
      count = (await database.run(open)).length
    assert.equal(count, 3)
    await other.close()
    store = await sqlRecords(database.dialect({ address: proxy.address, connections: 4 }))
  })

  it('cuts a statement that takes too long', async () => {
    const db = new Kysely<object>({ dialect: database.dialect().dialect })
    await refusedInTime(() => sql`select pg_sleep(20)`.execute(db))
    await db.destroy()
  })

  it('closes in time when the server hangs', async () => {
    const other = await sqlRecords(database.dialect({ address: proxy.address }))
    other.watch?.(() => {})
    await other.check()
    proxy.hang(true)
    assert.ok((await took(() => other.close())) < WITHIN_MS)
    proxy.hang(false)
  })

  it('refuses writes of a server that is read-only, reads on, and writes when it is the primary again', async () => {
    const name = new URL(database.url).pathname.slice(1)
    const setting = (value: string) =>
      database.run(`alter database ${name} set default_transaction_read_only = ${value}`)
    await setting('on')
    const standby = await sqlRecords(database.dialect())
    await assert.rejects(standby.attachments.add(attachmentRecord(app.corporationId, 'd.pdf')), isUnavailable)
    const found = await Promise.all([1, 2, 3].map(() => standby.apps.find(app.appKey)))
    assert.equal(found[2]?.appKey, app.appKey)
    await database.run(`begin read write; alter database ${name} reset all; commit`)
    // One more refusal, and all connections of that time are gone.
    await assert.rejects(standby.attachments.add(attachmentRecord(app.corporationId, 'd.pdf')), isUnavailable)
    await standby.attachments.add(attachmentRecord(app.corporationId, 'd.pdf'))
    await standby.close()
  })

  it('takes what PostgreSQL can not keep for a fault of the caller', async () => {
    const attachment = attachmentRecord(app.corporationId, 'a.pdf')
    await assert.rejects(store.attachments.add({ ...attachment, fileName: 'a\0b' }), { code: 'InvalidParameter' })
  })
})

function isUnavailable(error: unknown): boolean {
  if (!(error instanceof Failure && error.cause instanceof Error)) return false
  return error.code === 'StorageUnavailable' || error.code === 'StoredPerhaps'
}
