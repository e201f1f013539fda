import type { BlobStore } from '../blobs/blob-store.ts'
import type { AttachmentRecords } from '../records/record-store.ts'

export interface GcParts {
  records: Pick<AttachmentRecords, 'usedBlobIds'>
  blobs: Pick<BlobStore, 'list' | 'remove'>
  /** Rendered results, whose ids begin with that of their original. */
  derived: Pick<BlobStore, 'list' | 'remove'> | undefined
  /** Unix time in milliseconds. */
  now: number
  /** Without it nothing is removed, only counted. */
  remove: boolean
}

export interface Collected {
  orphans: number
  bytes: number
  /** Names among the blobs that are no ids, and so nothing of ours: left where they are. */
  foreign: number
}

// An upload has its bytes before its record; none takes as long.
const LEAST_AGE_MS = 3_600_000
const AT_A_TIME = 500
const ID_LENGTH = 32

/**
 * Blobs that no record names, an hour old at least: left by an upload whose record was refused, or by a process that was
 * killed between the two. The order of an upload makes these possible, and lost rows impossible.
 */
export async function gc({ records, blobs, derived, now, remove }: GcParts): Promise<Collected> {
  const collected: Collected = { orphans: 0, bytes: 0, foreign: 0 }
  await sweep(blobs)
  if (derived) await sweep(derived)
  return collected

  async function sweep(store: Pick<BlobStore, 'list' | 'remove'>): Promise<void> {
    let batch: { id: string; size: number }[] = []
    for await (const { id, size, modifiedAt } of store.list('', () => collected.foreign++)) {
      if (now - modifiedAt < LEAST_AGE_MS) continue
      batch.push({ id, size })
      if (batch.length < AT_A_TIME) continue
      await collect(store, batch)
      batch = []
    }
    await collect(store, batch)
  }

  async function collect(store: Pick<BlobStore, 'remove'>, batch: { id: string; size: number }[]): Promise<void> {
    if (batch.length === 0) return
    const used = new Set(await records.usedBlobIds(batch.map(({ id }) => id.slice(0, ID_LENGTH))))
    for (const { id, size } of batch) {
      if (used.has(id.slice(0, ID_LENGTH))) continue
      collected.orphans++
      collected.bytes += size
      if (remove) await store.remove(id)
    }
  }
}
