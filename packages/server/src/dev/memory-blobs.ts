import { Readable } from 'node:stream'
import type { BlobStore } from '../blobs/blob-store.ts'

export interface MemoryBlobs extends BlobStore {
  /** Forgets every blob. */
  clear(): void
}

const SHORT = 64 * 1024
const CHUNK = 256 * 1024

/** Blobs in memory: for development and tests, where a power loss may take them. */
export function memoryBlobs(): MemoryBlobs {
  const blobs = new Map<string, { bytes: Uint8Array; modifiedAt: number }>()
  return {
    async put(id, body) {
      const chunks: Uint8Array[] = []
      // Copied: a parser may use its buffer again.
      for await (const chunk of body) chunks.push(Uint8Array.from(chunk))
      if (blobs.has(id)) throw new Error(`there is a blob ${id}`)
      const bytes = Buffer.concat(chunks)
      blobs.set(id, { bytes, modifiedAt: Date.now() })
      return { size: bytes.length }
    },
    async read(id, { first, last }) {
      const bytes = blobs.get(id)?.bytes
      if (bytes === undefined) return undefined
      if (last >= bytes.length) throw new Error(`a blob ends at byte ${bytes.length}, before its record says`)
      const wanted = bytes.subarray(first, last + 1)
      return wanted.length > SHORT ? Readable.from(inChunks(wanted), { objectMode: false }) : wanted
    },
    async remove(id) {
      blobs.delete(id)
    },
    async *list(prefix) {
      for (const [id, { bytes, modifiedAt }] of blobs) {
        if (id.startsWith(prefix)) yield { id, size: bytes.length, modifiedAt }
      }
    },
    async check() {},
    async close() {
      blobs.clear()
    },
    clear: () => blobs.clear(),
  }
}

function* inChunks(bytes: Uint8Array): Generator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += CHUNK) yield bytes.subarray(at, at + CHUNK)
}
