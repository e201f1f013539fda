import { randomBytes } from 'node:crypto'
import { rm } from 'node:fs/promises'
import { ensureLinkKey } from '../attachments/link-credentials.ts'
import { sqliteInMemory } from '../records/dialects.ts'
import { sqlRecords } from '../records/sql-records.ts'
import type { Stores } from '../stores.ts'
import { memoryBlobs } from './memory-blobs.ts'

export interface MemoryStores extends Stores {
  /** Forgets all attachments and documents, and gives what caches may still hold of them. Apps and their tokens stay. */
  clear(): Forgotten[]
}

export interface Forgotten {
  key: string
  blobId: string
}

export interface MemoryStoresOptions {
  /** Where others may put what goes away with the stores, such as rendered thumbnails; removed when they close. */
  directory: string
}

/** Stores that leave nothing on disk, with a root secret of their own. */
export async function memoryStores({ directory }: MemoryStoresOptions): Promise<MemoryStores> {
  const { dialect, database } = sqliteInMemory()
  const records = await sqlRecords(dialect)
  const blobs = memoryBlobs()
  await ensureLinkKey(records.links, Date.now())
  return {
    records,
    blobs,
    rootSecret: randomBytes(32),
    clear() {
      const forgotten = database.prepare('select key, blob_id as blobId from attachments').all()
      database.exec(
        'delete from attachments; delete from corporation_usage; delete from documents; delete from document_counters',
      )
      blobs.clear()
      return forgotten.map(({ key, blobId }) => ({ key: String(key), blobId: String(blobId) }))
    },
    async [Symbol.asyncDispose]() {
      await records.close()
      await blobs.close()
      await rm(directory, { recursive: true, force: true })
    },
  }
}
