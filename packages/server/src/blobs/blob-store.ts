import type { Readable } from 'node:stream'

/**
 * Where bytes live. Ids are opaque to a driver, chosen by the caller, and never a user's name. A blob never changes once
 * it is there; a missing blob is an answer (`undefined`), never an error.
 */
export interface BlobStore {
  /**
   * Writes all of `body` durably or nothing: when the promise resolves the bytes survive a power loss; after a failed
   * `put` the id reads as it did before. Putting an id that exists is a fault.
   */
  put(id: string, body: AsyncIterable<Uint8Array>): Promise<StoredBlob>
  /**
   * The caller has checked `range` against the size of the blob. A body that can't be given to its last byte fails, it never
   * ends early. A short one may come as a buffer; a stream is the caller's to destroy.
   */
  read(id: string, range: ByteRange): Promise<BlobBody | undefined>
  /** Removing what is not there is not an error. */
  remove(id: string): Promise<void>
  /** Resolves when the store can read and write; rejects with what is wrong. */
  check(): Promise<void>
  close(): Promise<void>
}

/** `size` is in bytes. */
export interface StoredBlob {
  size: number
}

/** First and last byte, both included, as in `Content-Range`. */
export interface ByteRange {
  first: number
  last: number
}

export type BlobBody = Readable | Uint8Array
