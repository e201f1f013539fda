import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { rotateLinkKey } from './attachments/link-credentials.ts'
import type { BlobStore } from './blobs/blob-store.ts'
import { diskBlobs } from './blobs/disk.ts'
import type { Config } from './config.ts'
import { lockDirectory } from './data-lock.ts'
import { ConfigError } from './errors.ts'
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
  await mkdir(data, { recursive: true, mode: 0o700 })
  if (serving) {
    const lock = lockDirectory(data)
    if (lock === undefined) {
      throw new ConfigError(`another process serves ${data}: stop it, or set ATTACHE_DATA to another directory.`)
    }
    opened.defer(() => lock.release())
  }
  const secretFile = config.rootSecretFile ?? join(data, 'root.secret')
  const secret = await rootSecret(secretFile, { create: config.rootSecretFile === undefined })
  const records = await sqlRecords(sqlite({ file: join(data, 'records.sqlite'), durability }))
  opened.defer(() => records.close())
  const blobs = await diskBlobs({ directory: data, durability, sweepTemporary: serving })
  opened.defer(() => blobs.close())
  if ((await records.links.keys()).length === 0) await rotateLinkKey(records.links, Date.now())
  const kept = opened.move()
  return { records, blobs, rootSecret: secret, [Symbol.asyncDispose]: () => kept.disposeAsync() }
}
