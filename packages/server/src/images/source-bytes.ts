import { addAbortSignal, Readable } from 'node:stream'
import type { BlobStore } from '../blobs/blob-store.ts'
import { OssFailure } from '../oss/failure.ts'
import type { ThumbnailSource } from './thumbnails.ts'

/** A store that hangs must not hold a renderer's place for ever. */
const READ_TIME_MS = 30_000

/** The whole source in memory. The caller has checked that the size is not nought and not too much. */
export async function readSource(blobs: Pick<BlobStore, 'read'>, source: ThumbnailSource): Promise<Uint8Array> {
  const late = AbortSignal.timeout(READ_TIME_MS)
  const opening = blobs.read(source.blobId, { first: 0, last: source.size - 1 })
  const body = await Promise.race([opening, rejection(late)]).catch((error: unknown) => {
    if (late.aborted) void opening.then(discard, () => undefined)
    throw late.aborted ? new OssFailure('ServiceUnavailable', { cause: error }) : error
  })
  // Removed between the caller's look at the record and now.
  if (body === undefined) throw new OssFailure('NoSuchKey')
  if (!(body instanceof Readable)) return body
  const bytes = Buffer.allocUnsafeSlow(source.size)
  let filled = 0
  try {
    for await (const chunk of addAbortSignal(late, body)) {
      if (filled + chunk.byteLength > bytes.byteLength) throw new Error('A blob is longer than its record says')
      bytes.set(chunk, filled)
      filled += chunk.byteLength
    }
  } catch (error) {
    if (late.aborted) throw new OssFailure('ServiceUnavailable', { cause: error })
    throw error
  } finally {
    body.destroy()
  }
  if (filled < bytes.byteLength) throw new Error('A blob is shorter than its record says')
  return bytes
}

function rejection(signal: AbortSignal): Promise<never> {
  return new Promise((_resolve, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason), { once: true })
  })
}

function discard(body: Readable | Uint8Array | undefined): void {
  if (body instanceof Readable) body.destroy()
}
