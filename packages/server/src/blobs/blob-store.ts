import type { Readable } from 'node:stream'

/**
 * Where bytes live. Ids are 32 to 96 lower-case hex digits, chosen by the caller, and never a user's name. A blob never
 * changes once it is there; a missing blob is an answer (`undefined`), never an error. A store that can't be reached is
 * the failure `StorageUnavailable`.
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
  /**
   * Blobs whose ids begin with `prefix`, in no order. One that is put or removed meanwhile may be missing. What lies among
   * them under a name that is no id is told to `foreign`, and passed over.
   */
  list(prefix: string, foreign?: (name: string) => void): AsyncIterable<ListedBlob>
  /** Only where the store serves bytes itself: an address that gives this blob to whoever has it; `undefined` when it can't be had for so long, or not with that `process`. */
  address?(id: string, asked: AddressRequest): Promise<string | undefined>
  /** Only for blobs that are files: their path below the directory of all data, for a server in front that sends them. */
  path?(id: string): string
  /** Only where writes may be refused for a while: why they are; reads go on. */
  trouble?(): string | undefined
  /** Resolves when the store can read and write; rejects with what is wrong. */
  check(): Promise<void>
  close(): Promise<void>
}

/** `size` is in bytes. */
export interface StoredBlob {
  size: number
}

export interface ListedBlob {
  id: string
  /** In bytes. */
  size: number
  /** Unix time in milliseconds. */
  modifiedAt: number
}

export interface AddressRequest {
  method: 'GET' | 'HEAD'
  /** Unix time in seconds; the address works until then, not longer. */
  expiresAt: number
  /** Headers that the answer is to carry, such as `content-disposition`. */
  headers: Readonly<Record<string, string>>
  /** A value of `x-oss-process`, for the store to apply. */
  process?: string
}

/** First and last byte, both included, as in `Content-Range`. */
export interface ByteRange {
  first: number
  last: number
}

export type BlobBody = Readable | Uint8Array

/** All of a body, for one that is known to be small. */
export async function bytesOf(body: BlobBody): Promise<Uint8Array> {
  return body instanceof Uint8Array ? body : Buffer.concat(await Array.fromAsync(body as AsyncIterable<Uint8Array>))
}

export function isId(name: string): boolean {
  return /^[0-9a-f]{32,96}$/.test(name)
}

/** For drivers: an id that could be a path or a pattern is a fault of ours. */
export function checkedId(id: string): string {
  if (!isId(id)) throw new Error('a blob id is 32 to 96 lower-case hex digits')
  return id
}
