import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { rotateLinkKey } from './attachments/link-credentials.ts'
import type { BlobStore } from './blobs/blob-store.ts'
import { diskBlobs } from './blobs/disk.ts'
import type { Config } from './config.ts'
import { lockDirectory } from './data-lock.ts'
import { ConfigError, isAnySystemError } from './errors.ts'
import { sqlite } from './records/dialects.ts'
import type { RecordStore } from './records/record-store.ts'
import { sqlRecords } from './records/sql-records.ts'
import { rootSecret } from './secrets.ts'

/** The stores and the secret behind a service or an operator's verb; disposing closes them. */
export interface Stores extends AsyncDisposable {
  records: RecordStore
  blobs: BlobStore
  rootSecret: Buffer
}

export interface OpenOptions {
  /** Set for the process that takes uploads; there is one at a time for a data directory. */
  serving: boolean
}

export async function openStores(config: Config, { serving }: OpenOptions): Promise<Stores> {
  await using opened = new AsyncDisposableStack()
  const { data, durability } = config
  await usable('ATTACHE_DATA', () => mkdir(data, { recursive: true, mode: 0o700 }))
  if (serving) {
    const lock = await usable('ATTACHE_DATA', async () => lockDirectory(data))
    if (lock === undefined) {
      throw new ConfigError(`another process serves ${data}: stop it, or set ATTACHE_DATA to another directory.`)
    }
    opened.defer(() => lock.release())
  }
  const secretFile = config.rootSecretFile ?? join(data, 'root.secret')
  const create = config.rootSecretFile === undefined
  const secret = await usable('ATTACHE_ROOT_SECRET_FILE', () => rootSecret(secretFile, { create }))
  const records = await usable('ATTACHE_DATA', () =>
    sqlRecords(sqlite({ file: join(data, 'records.sqlite'), durability })),
  )
  opened.defer(() => records.close())
  const blobs = await diskBlobs({ directory: data, durability, sweepTemporary: serving })
  opened.defer(() => blobs.close())
  if ((await records.links.keys()).length === 0) await rotateLinkKey(records.links, Date.now())
  const kept = opened.move()
  return { records, blobs, rootSecret: secret, [Symbol.asyncDispose]: () => kept.disposeAsync() }
}

// SQLite's own codes, and what to do about them.
const SQLITE_REFUSALS = new Map([
  [8, 'the database is read-only: give its files to this user'],
  [11, 'records.sqlite is damaged: restore it from a backup'],
  [14, 'records.sqlite can not be opened: look at the permissions of the directory'],
  [26, 'records.sqlite is no database: restore it from a backup'],
])

/** What the operator has to mend is told in a sentence; anything else stays a fault. */
async function usable<T>(setting: string, open: () => Promise<T>): Promise<T> {
  try {
    return await open()
  } catch (error) {
    const sentence = refusalOf(error)
    throw sentence === undefined ? error : new ConfigError(`${setting}: ${sentence}.`, { cause: error })
  }
}

function refusalOf(error: unknown): string | undefined {
  if (isAnySystemError(error)) return `${error.message}: give a path that this user can use`
  if (!(error instanceof Error)) return undefined
  if ('errcode' in error) return SQLITE_REFUSALS.get(Number(error.errcode) & 0xff)
  return refusalOf(error.cause)
}
