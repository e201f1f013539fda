import { readdir, rename, rm, stat } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { backup as backupDatabase, DatabaseSync } from 'node:sqlite'
import { isSystemError } from '../errors.ts'
import { copyWhole, madeDirectory, synced, UNFINISHED } from './durable-files.ts'

export interface BackupOptions {
  /** The data directory in use; its server may go on writing. */
  from: string
  /** A directory of earlier backups of the same, or one that is made; it becomes a data directory itself. */
  to: string
  /** File of the root secret. */
  rootSecretFile: string
}

export interface BackedUp {
  attachments: number
  /** Ids of attachments whose bytes are gone from the source: they stand in the copy, without bytes. */
  missing: string[]
  /** Copied now; the others were there from an earlier backup. */
  copied: number
  copiedBytes: number
}

const DATABASE = 'records.sqlite'
const AT_A_TIME = 500

/**
 * First the records at one moment, then the bytes that they name: blobs never change, so all of them are there but for
 * those of attachments that were removed meanwhile, and these leave the copy of the records too. What a reader finds
 * under `to` is an earlier backup or this one, whole: the new records take the old ones' place last, once all that they
 * name has reached the disk.
 */
export async function backup({ from, to, rootSecretFile }: BackupOptions): Promise<BackedUp> {
  const changed = new Set([join(to, 'blobs'), ...(await madeDirectory(join(to, 'blobs')))])
  const beside = join(to, DATABASE + UNFINISHED)
  await rm(beside, { force: true })
  const source = new DatabaseSync(join(from, DATABASE), { readOnly: true })
  const report: BackedUp = { attachments: 0, missing: [], copied: 0, copiedBytes: 0 }
  const named = new Set<string>()
  let removed = 0
  try {
    await backupDatabase(source, beside)
    const records = new DatabaseSync(beside)
    try {
      records.exec('pragma journal_mode = delete')
      for (const page of pagesOf(records)) for (const row of page) await copyBlobOf(row, records)
      if (removed > 0) records.exec(COUNTED_ANEW)
    } finally {
      records.close()
    }
  } finally {
    source.close()
  }
  await copyWhole(rootSecretFile, join(to, 'root.secret'))
  await synced(beside)
  for (const directory of changed) await synced(directory)
  await rename(beside, join(to, DATABASE))
  await synced(to)
  await forgetOthers(join(to, 'blobs'), named)
  return report

  async function copyBlobOf({ fileId, blobId }: Row, records: DatabaseSync): Promise<void> {
    const path = join('blobs', blobId.slice(0, 2), blobId)
    const outcome = await copyOnce(join(from, path), join(to, path))
    if (outcome !== 'gone') changed.add(dirname(join(to, path)))
    if (outcome === 'gone' && source.prepare(ATTACHMENT).get(fileId) === undefined) {
      removed++
      records.prepare('delete from attachments where file_id = ?').run(fileId)
      return
    }
    named.add(blobId)
    report.attachments++
    if (outcome === 'gone') report.missing.push(fileId)
    if (typeof outcome !== 'number') return
    report.copied++
    report.copiedBytes += outcome
  }
}

// What corporations use is that of the attachments which stay.
const COUNTED_ANEW = `
  begin;
  delete from corporation_usage;
  insert into corporation_usage select corporation_id, 0, sum(size), count(*) from attachments group by corporation_id;
  commit`
const ATTACHMENT = 'select 1 from attachments where file_id = ?'

interface Row {
  fileId: string
  blobId: string
}

function* pagesOf(records: DatabaseSync): Generator<Row[]> {
  const next = records.prepare(
    'select file_id as fileId, blob_id as blobId from attachments where file_id > ? order by file_id limit ?',
  )
  for (let after = ''; ; ) {
    const page = next.all(after, AT_A_TIME) as unknown as Row[]
    if (page.length === 0) return
    yield page
    after = page.at(-1)?.fileId ?? ''
  }
}

/** Bytes copied now. One that is there may have been copied by a run that was killed before it came to sync the directory. */
async function copyOnce(from: string, to: string): Promise<number | 'there' | 'gone'> {
  if ((await sizeOf(to)) !== undefined) return 'there'
  const size = await sizeOf(from)
  if (size === undefined) return 'gone'
  await madeDirectory(dirname(to))
  try {
    await copyWhole(from, to)
  } catch (error) {
    if (isSystemError(error, 'ENOENT')) return 'gone'
    throw error
  }
  return size
}

async function sizeOf(path: string): Promise<number | undefined> {
  try {
    return (await stat(path)).size
  } catch (error) {
    if (isSystemError(error, 'ENOENT')) return undefined
    throw error
  }
}

async function forgetOthers(blobs: string, named: ReadonlySet<string>): Promise<void> {
  for (const shard of await readdir(blobs)) {
    for (const name of await readdir(join(blobs, shard))) {
      if (!named.has(name)) await rm(join(blobs, shard, name), { force: true })
    }
  }
}
