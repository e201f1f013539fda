import { createHash } from 'node:crypto'
import { type BlobStore, bytesOf } from '../blobs/blob-store.ts'
import { RENDERING, type ResultName } from './thumbnail-cache.ts'
import { decodeThumbnail, encodeThumbnail } from './thumbnail-file.ts'
import type { RenderedImage } from './thumbnails.ts'

/** Results that several nodes share, in the blob store beside the originals. Losing one costs a rendering, so whatever fails here is told and passed over. */
export interface SharedThumbnails {
  read(result: ResultName): Promise<RenderedImage | undefined>
  write(result: ResultName, image: RenderedImage): Promise<void>
  forget(blobId: string): Promise<void>
  /** Removes the oldest results beyond the bound; gives how many. Any node may do it, several at a time too. */
  trim(): Promise<number>
}

export interface SharedThumbnailsOptions {
  blobs: BlobStore
  /** All results together, as of the last `trim`. */
  maxBytes: number
  onFault: (fault: unknown) => void
}

// Below the bound by this much after a trim, so that the next ones find nothing to do.
const TRIMMED_TO = 0.9

export function sharedThumbnails({ blobs, maxBytes, onFault }: SharedThumbnailsOptions): SharedThumbnails {
  return {
    read: (result) => unlessFault(undefined, () => readOne(blobs, idOf(result))),
    write: (result, image) =>
      unlessFault(undefined, async () => void (await blobs.put(idOf(result), once(encodeThumbnail(image))))),
    forget: (blobId) =>
      unlessFault(undefined, async () => {
        for await (const { id } of blobs.list(blobId)) await blobs.remove(id)
      }),
    trim: () => unlessFault(0, () => trim(blobs, maxBytes)),
  }

  async function unlessFault<T>(otherwise: T, work: () => Promise<T>): Promise<T> {
    try {
      return await work()
    } catch (fault) {
      onFault(fault)
      return otherwise
    }
  }
}

async function readOne(blobs: BlobStore, id: string): Promise<RenderedImage | undefined> {
  for await (const { id: found, size } of blobs.list(id)) {
    const body = found === id ? await blobs.read(id, { first: 0, last: size - 1 }) : undefined
    if (body !== undefined) return decodeThumbnail(Buffer.from(await bytesOf(body)))
  }
  return undefined
}

async function trim(blobs: BlobStore, maxBytes: number): Promise<number> {
  const all = await Array.fromAsync(blobs.list(''))
  let bytes = all.reduce((sum, { size }) => sum + size, 0)
  if (bytes <= maxBytes) return 0
  all.sort((one, other) => one.modifiedAt - other.modifiedAt)
  let removed = 0
  for (const { id, size } of all) {
    if (bytes <= maxBytes * TRIMMED_TO) break
    await blobs.remove(id)
    bytes -= size
    removed++
  }
  return removed
}

/** Begins with the id of the original, so that all results of one are listed by it. */
function idOf({ blobId, process }: ResultName): string {
  return blobId + createHash('sha256').update(`${RENDERING} ${process}`).digest('hex').slice(0, 32)
}

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes
}
