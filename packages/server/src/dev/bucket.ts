import { createHash } from 'node:crypto'
import { crc64 } from 'hash-wasm'
import { OssFailure } from '../oss/failure.ts'

export interface StoredObject {
  key: string
  bytes: Buffer
  /** In quotes; of an object that was put whole its MD5. */
  etag: string
  /** Unsigned decimal. */
  crc64: string
  /** Unix time in milliseconds. */
  modifiedAt: number
  type: 'Normal' | 'Multipart'
  /** What it was put with and is given back with, such as `content-type`. */
  headers: Record<string, string>
}

export interface ListQuery {
  prefix: string
  /** Keys behind this one. */
  after: string
  most: number
}

/** Objects in memory, as one bucket of OSS has them; they go by the clock of the development mode. */
export interface MemoryBucket {
  put(object: Pick<StoredObject, 'key' | 'bytes' | 'headers'>): Promise<StoredObject>
  /** One object of all these parts; its ETag is no MD5 of it. */
  putParts(object: Pick<StoredObject, 'key' | 'headers'>, parts: readonly Buffer[]): Promise<StoredObject>
  get(key: string): StoredObject | undefined
  remove(key: string): void
  list(query: ListQuery): { objects: StoredObject[]; truncated: boolean }
  /** Takes room for so many bytes, or throws; `release` gives it back. */
  claim(bytes: number): void
  release(bytes: number): void
  clear(): void
}

export interface MemoryBucketOptions {
  /** Unix time in milliseconds. */
  now(): number
  /** All objects and all parts that wait together. */
  mostBytes?: number
}

const MOST_BYTES = 512 * 1024 * 1024

export function memoryBucket({ now, mostBytes = MOST_BYTES }: MemoryBucketOptions): MemoryBucket {
  const objects = new Map<string, StoredObject>()
  let held = 0

  function claim(bytes: number): void {
    if (held + bytes > mostBytes) {
      throw new OssFailure('EntityTooLarge', { message: `The store of the development mode holds ${mostBytes} bytes.` })
    }
    held += bytes
  }

  function remove(key: string): void {
    held -= objects.get(key)?.bytes.length ?? 0
    objects.delete(key)
  }

  async function keep(object: Omit<StoredObject, 'crc64' | 'modifiedAt'>): Promise<StoredObject> {
    claim(object.bytes.length)
    const stored = { ...object, crc64: await crc64Of(object.bytes), modifiedAt: now() }
    remove(object.key)
    objects.set(object.key, stored)
    return stored
  }

  return {
    put: (object) => keep({ ...object, type: 'Normal', etag: etagOf(object.bytes) }),
    putParts(object, parts) {
      const digests = parts.map((part) => createHash('md5').update(part).digest())
      const etag = `${etagOf(Buffer.concat(digests)).slice(0, -1)}-${parts.length}"`
      return keep({ ...object, bytes: Buffer.concat(parts), type: 'Multipart', etag })
    },
    get: (key) => objects.get(key),
    remove,
    list({ prefix, after, most }) {
      const keys = [...objects.keys()].filter((key) => key.startsWith(prefix) && key > after).sort()
      const listed = keys.slice(0, most).flatMap((key) => objects.get(key) ?? [])
      return { objects: listed, truncated: keys.length > most }
    },
    claim,
    release(bytes) {
      held -= bytes
    },
    clear() {
      for (const key of [...objects.keys()]) remove(key)
    },
  }
}

/** Upper-case MD5 in quotes, as OSS writes it. */
export function etagOf(bytes: Uint8Array): string {
  return `"${createHash('md5').update(bytes).digest('hex').toUpperCase()}"`
}

async function crc64Of(bytes: Uint8Array): Promise<string> {
  return BigInt(`0x${await crc64(bytes)}`).toString()
}
