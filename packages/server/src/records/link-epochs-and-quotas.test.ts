import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { it } from 'node:test'
import { Kysely } from 'kysely'
import { Migrator } from 'kysely/migration'
import { sqlite } from './dialects.ts'
import { migrations } from './migrations.ts'
import { sqlRecords } from './sql-records.ts'

const BEFORE = '0002-documents'

// What the release before knows of an attachment.
const COLUMNS = 'file_id, corporation_id, key, file_name, blob_id, size, md5, sha256, crc64, content_type, created_at'

it('counts what was stored before, and lets a node of the release before go on', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'attache-migration-'))
  const file = join(directory, 'records.sqlite')
  const options = sqlite({ file, durability: 'relaxed' })
  const old = new Kysely<unknown>({ dialect: options.dialect })
  const provider = { getMigrations: async () => migrations(options.types) }
  const { error } = await new Migrator({ db: old, provider }).migrateTo(BEFORE)
  assert.equal(error, undefined)
  await old.destroy()
  const oldNode = new DatabaseSync(file)
  oldNode.exec("insert into corporations (corporation_id, name, created_at) values ('c', 'c', 1)")
  const add = (id: string, size: number) =>
    oldNode
      .prepare(`insert into attachments (${COLUMNS}) values (?, 'c', ?, 'a', 'b', ?, '', '', '0', 't', 1)`)
      .run(id, `key ${id}`, size)
  add('one', 10)
  add('two', 32)

  const records = await sqlRecords(sqlite({ file, durability: 'relaxed' }))
  assert.deepEqual(await records.quotas.usage('c'), { corporationId: 'c', bytes: 42, attachments: 2 })
  assert.equal((await records.attachments.byKey('key one'))?.linkEpoch, 0)
  add('three', 100)
  assert.equal((await records.attachments.byKey('key three'))?.linkEpoch, 0)
  assert.equal((await records.quotas.usage('c')).attachments, 2, 'the old node counts nothing')
  assert.deepEqual(await records.quotas.recount('c'), { corporationId: 'c', bytes: 142, attachments: 3 })
  await records.attachments.remove('one', 1)
  assert.deepEqual(await records.quotas.usage('c'), { corporationId: 'c', bytes: 132, attachments: 2 })
  oldNode.close()
  await records.close()
  await rm(directory, { recursive: true })
})
