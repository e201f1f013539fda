import { createHash, randomUUID } from 'node:crypto'
import { mkdir, readdir, readFile, rename, rm, rmdir, stat, unlink, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { LRUCache } from 'lru-cache'
import { decodeThumbnail, encodeThumbnail } from './thumbnail-file.ts'
import type { RenderedImage } from './thumbnails.ts'

/**
 * Results on disk, `directory/ab/<blobId>/<hash of process>.thumb`, the least recently used dropped first. A file
 * that a power loss tore reads as absent.
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

/** Bounds the index in memory, at about 200 bytes a file. */
const MAX_FILES = 200_000
/** A small file and its directory take a block each. */
const BLOCK_BYTES = 4096
/** Goes into the name, so results of an older way of rendering are never found again. */
export const RENDERING = 1
const RESULT_NAME = /^[0-9a-f]{64}\.thumb$/
const TEMPORARY_NAME = /^[0-9a-f]{64}\.thumb\.[0-9a-f-]{36}$/

/** A key is the name of a file under its group: `<blobId>/<hash>.thumb`. */
interface Found {
  key: string
  size: number
  writtenAt: number
}

export function thumbnailCache(options: ThumbnailCacheOptions): ThumbnailCache {
  return new DiskThumbnails(options)
}

class DiskThumbnails implements ThumbnailCache {
  readonly scanned: Promise<void>
  readonly #options: ThumbnailCacheOptions
  readonly #index: LRUCache<string, number>
  readonly #startedAt = Date.now()
  readonly #pending = new Set<Promise<void>>()
  /** Files of this life wait here until those of earlier lives, which are older, stand in the index. */
  #born: Map<string, number> | undefined = new Map()
  #closed = false

  constructor(options: ThumbnailCacheOptions) {
    this.#options = options
    this.#index = new LRUCache({
      maxSize: Math.max(options.maxBytes, 1),
      sizeCalculation: (size) => size,
      dispose: (_size, key, reason) => {
        if (reason === 'evict') this.#background(this.#drop(key))
      },
    })
    this.scanned = this.#scan().catch(options.onFault)
  }

  usedBytes(): number {
    return this.#index.calculatedSize
  }

  async read(result: ResultName): Promise<RenderedImage | undefined> {
    const key = keyOf(result)
    try {
      const image = decodeThumbnail(await readFile(this.#pathOf(key)))
      if (image) {
        this.#index.get(key)
        return image
      }
      this.#index.delete(key)
      await this.#drop(key)
    } catch (error) {
      if (!isAbsent(error)) this.#options.onFault(error)
    }
    return undefined
  }

  async write(result: ResultName, image: RenderedImage, isWanted: () => boolean): Promise<void> {
    const key = keyOf(result)
    const target = this.#pathOf(key)
    const temporary = `${target}.${randomUUID()}`
    const file = encodeThumbnail(image)
    try {
      await mkdir(this.#folderOf(result.blobId), { recursive: true })
      await writeFile(temporary, file)
      if (!isWanted()) return
      await rename(temporary, target)
      if (isWanted()) this.#remember(key, file.byteLength)
      else await unlink(target)
    } catch (error) {
      // The folder went away under us: forgotten, or its last file dropped.
      if (!isAbsent(error)) this.#options.onFault(error)
    } finally {
      await rm(temporary, { force: true }).catch(this.#options.onFault)
    }
  }

  async forget(blobId: string): Promise<void> {
    const folder = this.#folderOf(blobId)
    for (const name of await absentIs([], readdir(folder))) {
      this.#born?.delete(`${blobId}/${name}`)
      this.#index.delete(`${blobId}/${name}`)
    }
    await rm(folder, { recursive: true, force: true, maxRetries: 3 })
  }

  async close(): Promise<void> {
    this.#closed = true
    await this.scanned
    await Promise.all(this.#pending)
  }

  async #scan(): Promise<void> {
    const { directory } = this.#options
    const found: Found[] = []
    try {
      for (const group of await foldersIn(directory, /^[0-9a-f]{2}$/)) {
        for (const blobId of await foldersIn(join(directory, group), /^[0-9a-f]{32}$/)) {
          if (this.#closed) return
          found.push(...(await this.#visit(blobId)))
        }
      }
    } finally {
      this.#adopt(found)
    }
  }

  /** The results of one blob; what a broken-off write left is removed. */
  async #visit(blobId: string): Promise<Found[]> {
    const found: Found[] = []
    for (const name of await absentIs([], readdir(this.#folderOf(blobId)))) {
      const key = `${blobId}/${name}`
      const facts = await absentIs(undefined, stat(this.#pathOf(key)))
      if (!facts) continue
      if (RESULT_NAME.test(name)) found.push({ key, size: facts.size, writtenAt: facts.mtimeMs })
      else if (TEMPORARY_NAME.test(name) && facts.mtimeMs < this.#startedAt) await this.#drop(key)
    }
    return found
  }

  #adopt(found: Found[]): void {
    const later = this.#born ?? new Map<string, number>()
    this.#born = undefined
    found.sort((one, other) => one.writtenAt - other.writtenAt)
    for (const { key, size } of found) if (!later.has(key)) this.#remember(key, size)
    for (const [key, size] of later) this.#keep(key, size)
  }

  #remember(key: string, fileBytes: number): void {
    const size = Math.ceil(fileBytes / BLOCK_BYTES) * BLOCK_BYTES + BLOCK_BYTES
    // The index silently ignores what is larger than itself.
    if (size > this.#options.maxBytes) this.#background(this.#drop(key))
    else if (this.#born) this.#born.set(key, size)
    else this.#keep(key, size)
  }

  /** Told a number of files beforehand, the library would lay out room for all of them at the start. */
  #keep(key: string, size: number): void {
    this.#index.set(key, size)
    if (this.#index.size > MAX_FILES) this.#index.pop()
  }

  async #drop(key: string): Promise<void> {
    await absentIs(undefined, unlink(this.#pathOf(key)))
    await absentIs(undefined, rmdir(dirname(this.#pathOf(key))))
  }

  #background(work: Promise<void>): void {
    const settled = work.catch(this.#options.onFault).finally(() => this.#pending.delete(settled))
    this.#pending.add(settled)
  }

  #folderOf(blobId: string): string {
    return join(this.#options.directory, blobId.slice(0, 2), blobId)
  }

  #pathOf(key: string): string {
    return join(this.#options.directory, key.slice(0, 2), key)
  }
}

function keyOf({ blobId, process }: ResultName): string {
  return `${blobId}/${createHash('sha256').update(`${RENDERING} ${process}`).digest('hex')}.thumb`
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
