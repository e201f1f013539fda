import { hash } from 'node:crypto'
import { LRUCache } from 'lru-cache'
import { type BlobBody, type BlobStore, type ByteRange, bytesOf } from '../blobs/blob-store.ts'
import type { AttachmentRecord } from '../records/record-store.ts'

export interface ContentsOptions {
  blobs: BlobStore
  /** Memory for small blobs, and small pieces of others, that were read lately; blobs never change, so they are only dropped with their record. */
  hotBytes: number
}

export type Contents = ReturnType<typeof contents>

const SMALL = 64 * 1024
/** What the memory of a piece takes beside its bytes. */
const ENTRY_BYTES = 512

/** The bytes of attachments, small ones and small ranges from memory; `undefined` where the blob is missing. */
export function contents({ blobs, hotBytes }: ContentsOptions) {
  const hot = new LRUCache<string, Uint8Array>({
    maxSize: Math.max(1, hotBytes),
    sizeCalculation: (bytes) => bytes.length + ENTRY_BYTES,
  })
  // Raised when something is forgotten: what was read before then is not kept.
  let forgotten = 0

  /** Small blobs whole, of others the pieces that were asked for. */
  async function piece(record: AttachmentRecord, index: number): Promise<Uint8Array | undefined> {
    const name = nameOf(record, index)
    const known = hot.get(name)
    if (known) return known
    const before = forgotten
    const first = index * SMALL
    const body = await blobs.read(record.blobId, { first, last: Math.min(first + SMALL, record.size) - 1 })
    if (body === undefined) return undefined
    const bytes = await bytesOf(body)
    // One that rotted on its disk must not be kept as good. Larger ones are for `verify`, and for readers, who have its hashes in headers.
    if (record.size <= SMALL && hash('sha256', bytes) !== record.sha256) {
      throw new Error(`the bytes of attachment ${record.fileId} are not those that were uploaded`)
    }
    if (before === forgotten) hot.set(name, bytes)
    return bytes
  }

  return {
    /** `range` lies within the size of the record. */
    async read(record: AttachmentRecord, range: ByteRange): Promise<BlobBody | undefined> {
      const index = indexOf(range)
      if (index === undefined || hotBytes === 0) return blobs.read(record.blobId, range)
      return partOf(await piece(record, index), range)
    },
    /** The same without waiting, where it is in memory. */
    known(record: AttachmentRecord, range: ByteRange): Uint8Array | undefined {
      const index = indexOf(range)
      return index === undefined ? undefined : partOf(hot.get(nameOf(record, index)), range)
    },
    forget(blobId: string): void {
      forgotten++
      for (const name of [...hot.keys()]) if (name.startsWith(blobId)) hot.delete(name)
    },
  }
}

function nameOf({ blobId }: AttachmentRecord, index: number): string {
  return `${blobId} ${index}`
}

/** Of the piece that a range lies in, if it is one. */
function indexOf({ first, last }: ByteRange): number | undefined {
  const index = Math.floor(first / SMALL)
  return last < (index + 1) * SMALL ? index : undefined
}

function partOf(bytes: Uint8Array | undefined, { first, last }: ByteRange): Uint8Array | undefined {
  const start = first % SMALL
  return bytes?.length === last - first + 1 ? bytes : bytes?.subarray(start, start + last - first + 1)
}
