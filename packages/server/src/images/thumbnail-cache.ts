import { createHash, randomUUID } from 'node:crypto'
import { mkdir, readdir, readFile, rename, rm, rmdir, stat, unlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { LRUCache } from 'lru-cache'
import { CONTENT_TYPES } from './formats.ts'
import type { RenderedImage } from './thumbnails.ts'

/**
 * Results on disk, `directory/ab/<blobId>/<hash of process>.thumb`, the least recently used dropped first. A file is
 * the SHA-256 of the rest, one byte for the content type, the body; one that a power loss tore reads as absent.
 */
export interface ThumbnailCache {
  read(result: ResultName): Promise<RenderedImage | undefined>
  /** `isWanted` is asked around the rename, so a `forget` that ran meanwhile leaves nothing behind. */
  write(result: ResultName, image: RenderedImage, isWanted: () => boolean): Promise<void>
  forget(blobId: string): Promise<void>
  /** Of the files that are known; the scan at start adds those of earlier lives. */
  usedBytes(): number
  /** Resolves when the scan at start is over. */
  scanned: Promise<void>
  close(): Promise<void>
}

export interface ResultName {
  blobId: string
  process: string
}

export interface ThumbnailCacheOptions {
  directory: string
  maxBytes: number
  /** Hears of a disk that can't be read or written; thumbnails are served all the same. */
  onFault: (fault: unknown) => void
}

const DIGEST_BYTES = 32
const TYPES = Object.values(CONTENT_TYPES)
/** Bounds the index in memory, at about 200 bytes a file. */
const MAX_FILES = 200_000
/** A small file and its directory take a block each. */
const BLOCK_BYTES = 4096
/** Goes into the name, so results of an older way of rendering are never found again. */
const RENDERING = 1

const RESULT_NAME = /^[0-9a-f]{64}\.thumb$/
const TEMPORARY_NAME = /^[0-9a-f]{64}\.thumb\.[0-9a-f-]{36}$/

interface Found {
  key: string
  size: number
  writtenAt: number
}

export function thumbnailCache({ directory, maxBytes, onFault }: ThumbnailCacheOptions): ThumbnailCache {
  const started = Date.now()
  const pending = new Set<Promise<void>>()
  /** Files of this life wait here until those of earlier lives, which are older, stand in the index. */
  let born: Map<string, number> | undefined = new Map()
  let closed = false
  const index = new LRUCache<string, number>({
    max: MAX_FILES,
    maxSize: Math.max(maxBytes, 1),
    sizeCalculation: (size) => size,
    dispose: (_size, key, reason) => {
      if (reason === 'evict') background(drop(key))
    },
  })
  const scanned = scan().catch(onFault)

  function background(work: Promise<void>): void {
    const settled = work.catch(onFault).finally(() => pending.delete(settled))
    pending.add(settled)
  }

  const folderOf = (blobId: string) => join(directory, blobId.slice(0, 2), blobId)
  const keyOf = ({ blobId, process }: ResultName) => `${blobId}/${hash(`${RENDERING} ${process}`)}.thumb`
  const pathOf = (key: string) => join(directory, key.slice(0, 2), key)

  async function drop(key: string): Promise<void> {
    await absentIs(undefined, unlink(pathOf(key)))
    await absentIs(undefined, rmdir(folderOf(key.slice(0, key.indexOf('/')))))
  }

  function remember(key: string, fileBytes: number): void {
    const size = Math.ceil(fileBytes / BLOCK_BYTES) * BLOCK_BYTES + BLOCK_BYTES
    // The index silently ignores what is larger than itself.
    if (size > maxBytes) background(drop(key))
    else if (born) born.set(key, size)
    else index.set(key, size)
  }

  async function scan(): Promise<void> {
    const found: Found[] = []
    try {
      for (const folder of await foldersIn(directory, /^[0-9a-f]{2}$/)) {
        for (const blobId of await foldersIn(join(directory, folder), /^[0-9a-f]{32}$/)) {
          if (closed) return
          found.push(...(await visit(blobId)))
        }
      }
    } finally {
      adopt(found)
    }
  }

  /** The results of one blob; what a broken-off write left is removed. */
  async function visit(blobId: string): Promise<Found[]> {
    const found: Found[] = []
    for (const name of await absentIs([], readdir(folderOf(blobId)))) {
      const key = `${blobId}/${name}`
      const facts = await absentIs(undefined, stat(pathOf(key)))
      if (!facts) continue
      if (RESULT_NAME.test(name)) found.push({ key, size: facts.size, writtenAt: facts.mtimeMs })
      else if (TEMPORARY_NAME.test(name) && facts.mtimeMs < started) await drop(key)
    }
    return found
  }

  function adopt(found: Found[]): void {
    const later = born ?? new Map<string, number>()
    born = undefined
    found.sort((one, other) => one.writtenAt - other.writtenAt)
    for (const { key, size } of found) if (!later.has(key)) remember(key, size)
    for (const [key, size] of later) index.set(key, size)
  }

  return {
    scanned,
    usedBytes: () => index.calculatedSize,
    async read(result) {
      const key = keyOf(result)
      const file = await absentIs(undefined, readFile(pathOf(key))).catch(onFault)
      if (!file) return undefined
      const image = decode(file)
      if (image) {
        index.get(key)
        return image
      }
      index.delete(key)
      await drop(key).catch(onFault)
      return undefined
    },
    async write(result, image, isWanted) {
      const key = keyOf(result)
      const target = pathOf(key)
      const temporary = `${target}.${randomUUID()}`
      const file = encode(image)
      try {
        await mkdir(folderOf(result.blobId), { recursive: true })
        await writeFile(temporary, file)
        if (!isWanted()) return
        await rename(temporary, target)
        if (isWanted()) remember(key, file.byteLength)
        else await unlink(target)
      } catch (error) {
        // The folder went away under us: forgotten, or its last file dropped.
        if (!isAbsent(error)) onFault(error)
      } finally {
        await rm(temporary, { force: true }).catch(onFault)
      }
    },
    async forget(blobId) {
      const folder = folderOf(blobId)
      for (const name of await absentIs([], readdir(folder))) {
        born?.delete(`${blobId}/${name}`)
        index.delete(`${blobId}/${name}`)
      }
      await rm(folder, { recursive: true, force: true, maxRetries: 3 })
    },
    async close() {
      closed = true
      await scanned
      await Promise.all(pending)
    },
  }
}

function hash(text: string): string {
  return createHash('sha256').update(text).digest('hex')
}

function encode({ body, contentType }: RenderedImage): Buffer {
  const rest = Buffer.concat([Buffer.of(TYPES.indexOf(contentType)), body])
  return Buffer.concat([createHash('sha256').update(rest).digest(), rest])
}

function decode(file: Buffer): RenderedImage | undefined {
  const rest = file.subarray(DIGEST_BYTES)
  const contentType = TYPES[rest[0] ?? -1]
  const digest = createHash('sha256').update(rest).digest()
  if (contentType === undefined || !digest.equals(file.subarray(0, DIGEST_BYTES))) return undefined
  return { body: rest.subarray(1), contentType }
}

async function foldersIn(directory: string, pattern: RegExp): Promise<string[]> {
  return (await absentIs([], readdir(directory))).filter((name) => pattern.test(name))
}

async function absentIs<T>(answer: T, work: Promise<T>): Promise<T> {
  try {
    return await work
  } catch (error) {
    if (isAbsent(error)) return answer
    throw error
  }
}

/** `ENOTEMPTY`: the folder has other results, which is why it stays. */
function isAbsent(error: unknown): boolean {
  return error instanceof Error && 'code' in error && ['ENOENT', 'ENOTDIR', 'ENOTEMPTY'].includes(String(error.code))
}
