import type { Arrival } from './arrivals.ts'
import { type ContentFacts, verify } from './contents.ts'
import { type Crc64, crc64 } from './crc64.ts'
import { AttacheError } from './errors.ts'

export interface DownloadOptions {
  signal?: AbortSignal
  /** Called as bytes come; `total` when the server told it. */
  onProgress?: (received: { bytes: number; total: number | undefined }) => void
}

/** An attachment on its way. What comes is checked against the stored length and CRC-64; the last chunk waits for that. */
export interface Download {
  /** In bytes, when the server told it. */
  size: number | undefined
  contentType: string | undefined
  /** Fails with `integrity` before its end when the bytes are not the stored ones. */
  body: ReadableStream<Uint8Array<ArrayBuffer>>
  /** The whole in memory, checked. */
  bytes(): Promise<Uint8Array<ArrayBuffer>>
  /** The whole as a `Blob` of the stored type, checked. */
  blob(): Promise<Blob>
}

/** Waits for the first answer, so that a refusal is thrown here and not while reading. */
export async function downloadOf(
  arriving: AsyncGenerator<Arrival, void, undefined>,
  { onProgress }: DownloadOptions,
): Promise<Download> {
  const first = await arriving.next()
  const facts: ContentFacts = first.done ? {} : first.value.facts
  const chunks = verified(arriving, facts)
  const body = new ReadableStream<Uint8Array<ArrayBuffer>>(
    {
      async pull(controller) {
        const { done, value } = await chunks.next()
        if (done) return controller.close()
        controller.enqueue(value.bytes)
        onProgress?.({ bytes: value.end, total: facts.size })
      },
      async cancel() {
        // A generator that was never read from has no `finally` to run.
        await chunks.return()
        await arriving.return()
      },
    },
    { highWaterMark: 0 },
  )
  return {
    size: facts.size,
    contentType: facts.contentType,
    body,
    bytes: async () => new Uint8Array(await new Blob(await chunksOf(body)).arrayBuffer()),
    blob: async () => new Blob(await chunksOf(body), { type: facts.contentType ?? '' }),
  }
}

/** Not by way of a `Response`: Chromium's turns every error of its stream into "Failed to fetch". */
async function chunksOf(body: Download['body']): Promise<Uint8Array<ArrayBuffer>[]> {
  const chunks: Uint8Array<ArrayBuffer>[] = []
  const reader = body.getReader()
  for (;;) {
    const { done, value } = await reader.read()
    if (done) return chunks
    chunks.push(value)
  }
}

interface Chunk {
  bytes: Uint8Array<ArrayBuffer>
  /** Of the attachment, after this chunk. */
  end: number
}

/** One chunk behind what comes, so that a reader who has everything has also heard whether it is right. */
async function* verified(
  arriving: AsyncGenerator<Arrival, void, undefined>,
  promised: ContentFacts,
): AsyncGenerator<Chunk, void, undefined> {
  const crc: Crc64 = crc64()
  let position = 0
  let held: Chunk | undefined
  try {
    for await (const { facts, at, bytes } of arriving) {
      // From the beginning again: what the reader has already is passed over, if it is of the same contents.
      if (position > at && !isSame(facts, promised)) throw changed()
      const fresh = bytes.subarray(Math.min(bytes.length, Math.max(0, position - at))) as Uint8Array<ArrayBuffer>
      if (fresh.length === 0) continue
      crc.update(fresh)
      position += fresh.length
      if (held !== undefined) yield held
      held = { bytes: fresh, end: position }
    }
    verify({ size: position, crc64: crc.value() }, promised)
    if (held !== undefined) yield held
  } finally {
    await arriving.return()
  }
}

/** Bytes of two answers are joined only where something tells that they belong together. */
function isSame(now: ContentFacts, then: ContentFacts): boolean {
  return (now.etag !== undefined || now.crc64 !== undefined) && now.etag === then.etag && now.crc64 === then.crc64
}

function changed(): AttacheError {
  return new AttacheError('the attachment changed while it was read', { kind: 'changed', operation: 'download' })
}
