import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { describe, it } from 'node:test'
import { sqlite } from './dialects.ts'
import type { RecordStore } from './record-store.ts'
import { sqlRecords } from './sql-records.ts'
import { repeatAside } from './sqlite-aside.ts'

const DURABLE = { durability: 'strict' } as const
const { signal: NEVER } = new AbortController()

interface Swept extends AsyncDisposable {
  file: string
  store: RecordStore
  left(): number
}

/** A store with so many tokens that expired at 1, and one that did not. */
async function storeWith(expired: number): Promise<Swept> {
  const directory = await mkdtemp(join(tmpdir(), 'attache-aside-'))
  const file = join(directory, 'records.sqlite')
  const store = await sqlRecords(sqlite({ file, ...DURABLE }))
  const app = { appKey: 'a', corporationId: 'c', corporationName: 'c', secretHash: '-', demo: false }
  await store.apps.add({ ...app, createdAt: 1, disabledAt: null })
  const database = new DatabaseSync(file)
  database.exec('begin')
  const row = database.prepare("insert into access_tokens values (?, '-', 'a', 'c', ?)")
  for (let i = 0; i < expired; i++) row.run(`old ${i}`, 1)
  row.run('new', 100)
  database.exec('commit')
  const count = database.prepare('select count(*) as count from access_tokens where expires_at = 1')
  return {
    file,
    store,
    left: () => Number(count.get()?.['count']),
    async [Symbol.asyncDispose]() {
      database.close()
      await store.close()
      await rm(directory, { recursive: true })
    },
  }
}

describe('work aside', () => {
  it('sweeps all expired tokens and no other, while writes here go on', async () => {
    await using swept = await storeWith(3000)
    const { tokens, links } = swept.store
    const sweeping = tokens.sweepAside?.(2, NEVER)
    for (let i = 0; i < 20; i++) await links.rotateKey('aa', i, i)
    await sweeping
    assert.equal(swept.left(), 0)
    assert.equal((await tokens.find('new'))?.expiresAt, 100)
    assert.equal((await links.keys()).length, 20)
  })

  it('ends between two slices when it is told to', async () => {
    await using swept = await storeWith(20_000)
    const ending = new AbortController()
    const sweeping = swept.store.tokens.sweepAside?.(2, ending.signal)
    while (swept.left() === 20_000) await new Promise(setImmediate)
    ending.abort()
    await sweeping
    assert.ok(swept.left() > 0)
    await swept.store.tokens.sweepAside?.(2, AbortSignal.abort())
    assert.ok(swept.left() > 0)
  })

  it('tells what SQLite said, with its code', async () => {
    await using swept = await storeWith(1)
    const broken = { sql: 'delete from nowhere limit ?', parameters: [1], signal: NEVER }
    await assert.rejects(repeatAside(swept.file, broken), { errcode: 1 })
  })
})
