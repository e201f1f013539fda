import { LRUCache } from 'lru-cache'
import type { BlobStore } from '../blobs/blob-store.ts'
import { FileBody } from '../blobs/file-body.ts'
import { OssFailure, type OssFailureCode } from '../oss/failure.ts'
import { type ImageOperation, parseProcess } from '../oss/process.ts'
import { isSourceType } from './formats.ts'
import { type GateLimits, type GateStats, openGate } from './gate.ts'
import type { SharedThumbnails } from './shared-thumbnails.ts'
import { thumbnailCache } from './thumbnail-cache.ts'

/** What the data plane asks of the images room. */
export interface Thumbnails {
  /**
   * The result of `process` (the value of `x-oss-process`) on the blob `source`. Throws `OssFailure` for whatever the
   * caller or the image caused, and `RendererBusy` with a retry-after when the queue is full.
   */
  render(source: ThumbnailSource, process: string): Promise<RenderedImage>
  /** A result that is in memory. */
  known(blobId: string, process: string): RenderedImage | undefined
  /**
   * Drops every kept result of a blob that was removed: from memory at once, from disks and stores one blob after another,
   * which is what the promise waits for. It never rejects: a file that stays is told of, and nobody can ask for it any more.
   */
  forget(blobId: string): Promise<void>
  close(): Promise<void>
}

/** `size` is in bytes; `contentType` is the sniffed one that the record holds. */
export interface ThumbnailSource {
  blobId: string
  size: number
  contentType: string
  /** Lower-case hex; what is read is held against it, because a result is kept. */
  sha256?: string
}

export interface RenderedImage {
  body: Uint8Array
  contentType: string
}

export interface ThumbnailOptions {
  blobs: Pick<BlobStore, 'read'>
  /** Where results are kept. */
  directory: string
  cacheBytes?: number
  /** What other nodes rendered, where there are some. */
  shared?: Pick<SharedThumbnails, 'read' | 'write' | 'forget'> | undefined
  memoryCacheBytes?: number
  maxSourceBytes?: number
  /** Width × height × frames. */
  maxPixels?: number
  avif?: boolean
  gate?: Partial<GateLimits>
  /** In milliseconds; ages the memory of failures. */
  clock?: () => number
  onFault?: (fault: unknown) => void
}

export interface ThumbnailStats extends GateStats {
  /** Since the start. */
  rendered: number
  cachedBytes: number
}

export interface ThumbnailService extends Thumbnails {
  stats(): ThumbnailStats
}

interface Flight {
  image: Promise<RenderedImage>
  /** Cleared by `forget`. */
  kept: boolean
}

const MEBIBYTE = 1024 * 1024
const FAILURE_MEMORY_MS = 3_600_000
const MAX_REMEMBERED_FAILURES = 10_000
/** The image's own doing: the same bytes would fail again. */
const LASTING_FAILURES = new Set<OssFailureCode>(['BadRequest', 'ImageTooLarge', 'ImageDamage'])

export function thumbnails(options: ThumbnailOptions): ThumbnailService {
  const limits = { maxSourceBytes: 30 * MEBIBYTE, maxPixels: 50_000_000, avif: false, ...options }
  const { blobs, directory, shared, cacheBytes: maxBytes = 1024 * MEBIBYTE, onFault = ignore } = options
  const gate = openGate({ maxPixels: limits.maxPixels, avif: limits.avif }, options.gate)
  const disk = thumbnailCache({ directory, maxBytes, onFault })
  const memory = imageMemory(options.memoryCacheBytes ?? 16 * MEBIBYTE)
  const failures = failureMemory(options.clock ?? Date.now)
  const flights = new Map<string, Flight>()
  let clearing = Promise.resolve()
  let rendered = 0

  async function produce(source: ThumbnailSource, process: string, operations: ImageOperation[]) {
    const result = { blobId: source.blobId, process }
    const isWanted = () => flights.get(keyOf(result))?.kept === true
    let image = await disk.read(result)
    if (!image) {
      image = (await shared?.read(result)) ?? (await make({ source, process }, operations, isWanted))
      await disk.write(result, image, isWanted)
    }
    if (isWanted()) memory.set(keyOf(result), image)
    return image
  }

  async function make(
    { source, process }: { source: ThumbnailSource; process: string },
    operations: ImageOperation[],
    isWanted: () => boolean,
  ): Promise<RenderedImage> {
    const { size, sha256 } = source
    const image = await gate.run({ size, sha256, bytes: () => chunksOf(blobs, source) }, operations)
    rendered += 1
    if (isWanted()) await shared?.write({ blobId: source.blobId, process }, image)
    // The original was removed meanwhile, and what other nodes forgot of it must not come back.
    if (!isWanted()) await shared?.forget(source.blobId)
    return image
  }

  async function clear(blobId: string): Promise<void> {
    await Promise.all([disk.forget(blobId), shared?.forget(blobId)])
  }

  async function fly(source: ThumbnailSource, process: string, operations: ImageOperation[]) {
    const key = keyOf({ blobId: source.blobId, process })
    try {
      return await produce(source, process, operations)
    } catch (error) {
      if (error instanceof OssFailure && LASTING_FAILURES.has(error.code)) failures.set(key, error)
      throw error
    } finally {
      flights.delete(key)
    }
  }

  return {
    async render(source, process) {
      const operations = parseProcess(process, limits)
      refuseSource(source, limits)
      const key = keyOf({ blobId: source.blobId, process })
      const ready = memory.get(key)
      if (ready) return ready
      const failed = failures.get(key)
      if (failed) throw failed
      const flight = flights.get(key) ?? { image: fly(source, process, operations), kept: true }
      flights.set(key, flight)
      return flight.image
    },
    known: (blobId, process) => memory.get(keyOf({ blobId, process })),
    forget(blobId) {
      const prefix = keyOf({ blobId, process: '' })
      for (const [key, flight] of flights) if (key.startsWith(prefix)) flight.kept = false
      for (const key of [...memory.keys()]) if (key.startsWith(prefix)) memory.delete(key)
      clearing = clearing.then(() => clear(blobId)).catch(onFault)
      return clearing
    },
    stats: () => ({ ...gate.stats(), rendered, cachedBytes: disk.usedBytes() }),
    async close() {
      await gate.close()
      await Promise.allSettled([...flights.values()].map(({ image }) => image))
      await clearing
      await disk.close()
    },
  }
}

function refuseSource(source: ThumbnailSource, limits: { maxSourceBytes: number; avif: boolean }): void {
  if (!/^[0-9a-f]{32}$/.test(source.blobId)) throw new TypeError('A blob id is 32 lower-case hexadecimal digits')
  if (!isSourceType(source.contentType, limits)) throw new OssFailure('BadRequest')
  if (source.size > limits.maxSourceBytes) throw new OssFailure('ImageTooLarge')
  if (source.size === 0) throw new OssFailure('ImageDamage')
}

function imageMemory(maxBytes: number): LRUCache<string, RenderedImage> {
  return new LRUCache({ maxSize: maxBytes, sizeCalculation: ({ body }, key) => body.byteLength + key.length })
}

function failureMemory(now: () => number): LRUCache<string, OssFailure> {
  return new LRUCache({ max: MAX_REMEMBERED_FAILURES, ttl: FAILURE_MEMORY_MS, ttlResolution: 0, perf: { now } })
}

async function* chunksOf(blobs: Pick<BlobStore, 'read'>, source: ThumbnailSource): AsyncGenerator<Uint8Array> {
  const body = await blobs.read(source.blobId, { first: 0, last: source.size - 1 })
  // Removed between the caller's look at the record and now.
  if (body === undefined) throw new OssFailure('NoSuchKey')
  if (body instanceof Uint8Array) yield body
  // The iterator of a stream destroys it, however the reading ends.
  else yield* body instanceof FileBody ? body.pieces() : body
}

function keyOf({ blobId, process }: { blobId: string; process: string }): string {
  return `${blobId} ${process}`
}

function ignore(): void {}
