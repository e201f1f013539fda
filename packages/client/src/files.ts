import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { type FileHandle, open } from 'node:fs/promises'
import type { Digests } from './contents.ts'
import { type Crc64, crc64 } from './crc64.ts'

/** Everything that is told of a file's bytes, computed as they pass. */
export interface FileDigests {
  update(bytes: Uint8Array): void
  /** Ends the computation. */
  result(): Required<Digests> & { sha256: string }
}

export function fileDigests(): FileDigests {
  const crc: Crc64 = crc64()
  const [md5, sha256] = [createHash('md5'), createHash('sha256')]
  let size = 0
  return {
    update(bytes) {
      size += bytes.length
      crc.update(bytes)
      md5.update(bytes)
      sha256.update(bytes)
    },
    result: () => ({ size, crc64: crc.value(), md5: md5.digest('hex'), sha256: sha256.digest('hex') }),
  }
}

const CHUNK_BYTES = 256 * 1024

/** Passes the bytes of a file on; `undefined` when there is no such file. */
export async function readThrough(path: string, update: (bytes: Uint8Array) => void): Promise<number | undefined> {
  let size = 0
  try {
    for await (const chunk of createReadStream(path, { highWaterMark: CHUNK_BYTES })) {
      update(chunk)
      size += chunk.length
    }
    return size
  } catch (error) {
    if (isCode(error, 'ENOENT')) return undefined
    throw error
  }
}

/** The lines of a text, which end at `\n` alone: `readline` ends them at U+2028 and U+2029 too, and names may hold these. */
export async function* linesOf(path: string): AsyncGenerator<string, void, undefined> {
  let rest = ''
  for await (const chunk of createReadStream(path, 'utf8') as AsyncIterable<string>) {
    const end = chunk.lastIndexOf('\n')
    if (end !== -1) yield* (rest + chunk.slice(0, end)).split('\n')
    rest = end === -1 ? rest + chunk : chunk.slice(end + 1)
  }
  if (rest !== '') yield rest
}

/** A `write` may write less than it is given. */
export async function writeAll(file: FileHandle, bytes: Uint8Array, position: number): Promise<void> {
  for (let done = 0; done < bytes.length; ) {
    const { bytesWritten } = await file.write(bytes, done, bytes.length - done, position + done)
    done += bytesWritten
  }
}

/** Makes a rename survive a power loss. Windows knows no such thing, and refuses. */
export async function syncDirectory(path: string): Promise<void> {
  if (process.platform === 'win32') return
  const directory = await open(path, 'r')
  try {
    await directory.sync()
  } finally {
    await directory.close()
  }
}

export function isCode(error: unknown, ...codes: string[]): boolean {
  return error instanceof Error && 'code' in error && codes.includes(String(error.code))
}
