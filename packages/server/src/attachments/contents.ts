import { LRUCache } from 'lru-cache'
import { type BlobBody, type BlobStore, type ByteRange, bytesOf } from '../blobs/blob-store.ts'
import type { AttachmentRecord } from '../records/record-store.ts'

export interface ContentsOptions {
  blobs: BlobStore
  /** Memory for small blobs that were read lately; blobs never change, so they are only dropped with their record. */
  hotBytes: number
}

export type Contents = ReturnType<typeof contents>

const SMALL = 64 * 1024

/** The bytes of attachments, small ones from memory; `undefined` where the blob is missing. */
export function contents({ blobs, hotBytes }: ContentsOptions) {
  const hot = new LRUCache<string, Uint8Array>({
    maxSize: Math.max(1, hotBytes),
    sizeCalculation: (bytes) => bytes.length || 1,
  })
  // Raised when something is forgotten: what was read before then is not kept.
  let forgotten = 0

  return {
    /** `range` lies within the size of the record. */
    async read(record: AttachmentRecord, range: ByteRange): Promise<BlobBody | undefined> {
      if (record.size > SMALL || hotBytes === 0) return blobs.read(record.blobId, range)
      const known = hot.get(record.blobId)
      if (known) return known.subarray(range.first, range.last + 1)
      const before = forgotten
      const body = await blobs.read(record.blobId, { first: 0, last: record.size - 1 })
      if (body === undefined) return undefined
      const bytes = await bytesOf(body)
      if (before === forgotten) hot.set(record.blobId, bytes)
      return bytes.subarray(range.first, range.last + 1)
    },
    forget(blobId: string): void {
      forgotten++
      hot.delete(blobId)
    },
  }
}
