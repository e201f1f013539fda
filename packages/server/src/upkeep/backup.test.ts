import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdtemp, open, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { it } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import { diskBlobs } from '../blobs/disk.ts'
import { sqlite } from '../records/dialects.ts'
import type { AttachmentRecord } from '../records/record-store.ts'
import { appRecord, attachmentRecord } from '../records/records.fixture.ts'
import { sqlRecords } from '../records/sql-records.ts'
import { backup } from './backup.ts'

it('counts what a corporation uses without what was removed while the backup was made', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'attache-backup-'))
  const [from, to] = [join(directory, 'data'), join(directory, 'copy')]
  const blobs = await diskBlobs({ directory: from, durability: 'relaxed', sweepTemporary: true })
  const records = await sqlRecords(sqlite({ file: join(from, 'records.sqlite'), durability: 'relaxed' }))
  const rootSecretFile = join(from, 'root.secret')
  await writeFile(rootSecretFile, '0'.repeat(64))
  const app = appRecord()
  await records.apps.add(app)
  const [slow, doomed, kept] = ['aa', 'bb', 'cc'].map((shard, index) => ({
    ...attachmentRecord(app.corporationId, '发票.pdf'),
    fileId: `${index}`,
    size: 10 ** index,
    blobId: shard.repeat(16),
  })) as [AttachmentRecord, AttachmentRecord, AttachmentRecord]
  for (const record of [slow, doomed, kept]) {
    await blobs.put(record.blobId, once(Buffer.alloc(record.size)))
    await records.attachments.add(record)
  }
  // A pipe stands for a blob that takes long: the records have been copied when it is opened.
  const pipe = join(from, 'blobs', 'aa', slow.blobId)
  await rm(pipe)
  execFileSync('mkfifo', [pipe])

  const made = backup({ from, to, rootSecretFile })
  while (!existsSync(join(to, 'blobs', 'aa'))) await turn()
  await records.attachments.remove(doomed.fileId, 1)
  await blobs.remove(doomed.blobId)
  await (await open(pipe, 'w')).close()
  assert.deepEqual([(await made).attachments, (await made).missing], [2, []])

  const copy = await sqlRecords(sqlite({ file: join(to, 'records.sqlite'), durability: 'relaxed' }))
  const { corporationId } = app
  assert.deepEqual(await copy.quotas.usage(corporationId), { corporationId, bytes: 101, attachments: 2 })
  for (const store of [copy, records, blobs]) await store.close()
  await rm(directory, { recursive: true })
})

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes
}
