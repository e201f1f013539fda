import type { BlobStore, ListedBlob } from '../blobs/blob-store.ts'
import type { AttachmentRecords } from '../records/record-store.ts'

type Swept = Pick<BlobStore, 'list' | 'remove'>

export interface GcParts {
  records: Pick<AttachmentRecords, 'usedBlobIds'>
  blobs: Swept
  /** Rendered results, whose ids begin with that of their original. */
  derived: Swept | undefined
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
  /** There are orphans, and no record names any blob at all: the records are hardly those of these blobs, so nothing was removed. */
  refused: boolean
}

// An upload has its bytes before its record; none takes as long.
const LEAST_AGE_MS = 3_600_000
const AT_A_TIME = 500
const ID_LENGTH = 32

/**
 * Blobs that no record names, an hour old at least: left by an upload whose record was refused, or by a process that was
 * killed between the two. The order of an upload makes these possible, and lost rows impossible. Of the orphans some
 * hundred bytes each are held in memory, because all blobs are looked at before the first is removed.
 */
export async function gc({ records, blobs, derived, now, remove }: GcParts): Promise<Collected> {
  const collected: Collected = { orphans: 0, bytes: 0, foreign: 0, refused: false }
  let used = 0
  const found = await orphansOf(blobs)
  collected.refused = found.length > 0 && used === 0
  const rendered = derived ? await orphansOf(derived) : []
  for (const { size } of [...found, ...rendered]) {
    collected.orphans++
    collected.bytes += size
  }
  if (!remove || collected.refused) return collected
  await removeAll(blobs, found)
  if (derived) await removeAll(derived, rendered)
  return collected

  async function orphansOf(store: Swept): Promise<ListedBlob[]> {
    const orphans: ListedBlob[] = []
    for await (const batch of batches(store.list('', () => collected.foreign++))) {
      const unused = await unusedOf(batch)
      used += batch.length - unused.length
      for (const blob of unused) if (now - blob.modifiedAt >= LEAST_AGE_MS) orphans.push(blob)
    }
    return orphans
  }

  async function unusedOf(batch: ListedBlob[]): Promise<ListedBlob[]> {
    const named = new Set(await records.usedBlobIds(batch.map(({ id }) => id.slice(0, ID_LENGTH))))
    return batch.filter(({ id }) => !named.has(id.slice(0, ID_LENGTH)))
  }

  /** Asks once more: listing all of them may have taken long. */
  async function removeAll(store: Swept, orphans: ListedBlob[]): Promise<void> {
    for await (const batch of batches(orphans)) {
      for (const { id } of await unusedOf(batch)) await store.remove(id)
    }
  }
}

async function* batches(listed: Iterable<ListedBlob> | AsyncIterable<ListedBlob>): AsyncGenerator<ListedBlob[]> {
  let batch: ListedBlob[] = []
  for await (const blob of listed) {
    batch.push(blob)
    if (batch.length < AT_A_TIME) continue
    yield batch
    batch = []
  }
  if (batch.length > 0) yield batch
}
