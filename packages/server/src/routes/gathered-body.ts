import type { Readable } from 'node:stream'

/** A body is handed on in pieces of up to about this many bytes; so many wait in memory for who takes them. */
const MOST = 256 * 1024
// What ends before it has so many bytes is handed on as it came, and so is a little more whose end is there at once.
const SMALL = 64 * 1024
// However many uploads there are: where none is free the bytes are handed on as they came.
const MOST_SHARED = 32

// Shared memory, so that digests can be computed on threads; used again and again, because memory that is new for each
// piece makes the collector walk the whole heap several times a second.
const resting: Buffer<SharedArrayBuffer>[] = []
let made = 0

/**
 * The bytes of a body, in larger pieces. Each is good only until the next one is asked for. Many at a time come in
 * shared memory, so long as there is some.
 */
export async function* gathered(body: Readable): AsyncGenerator<Uint8Array, void, undefined> {
  const queue = queueOf(body)
  try {
    const pieces = await queue.atLeast(SMALL + 1)
    if (queue.ended()) {
      yield* oneByOne(pieces)
      return
    }
    yield* joined(pieces)
    while (!queue.ended()) yield* joined(await queue.atLeast(1))
  } finally {
    body.destroy()
  }
}

function queueOf(body: Readable) {
  let waiting: Buffer[] = []
  let size = 0
  let ended = false
  let wake = () => {}
  body.on('data', (piece: Buffer) => {
    waiting.push(piece)
    size += piece.length
    if (size >= MOST) body.pause()
    wake()
  })
  body.on('end', () => {
    ended = true
    wake()
  })
  body.on('error', () => wake())
  body.on('close', () => wake())

  return {
    /** True once `atLeast` has given the last bytes. */
    ended: () => ended && waiting.length === 0,
    /** All that is there, when there are so many bytes or the body has ended. */
    async atLeast(least: number): Promise<Buffer[]> {
      while (size < least && !ended) {
        if (body.destroyed) throw body.errored ?? new Error('a body was closed before its end')
        await new Promise<void>((resolve) => {
          wake = resolve
        })
      }
      const pieces = waiting
      waiting = []
      size = 0
      if (!ended) body.resume()
      return pieces
    },
  }
}

function* joined(pieces: Buffer[]): Generator<Uint8Array, void, undefined> {
  const size = pieces.reduce((sum, { length }) => sum + length, 0)
  const shared = size > SMALL ? sharedMemory() : undefined
  if (shared === undefined) {
    yield* oneByOne(pieces)
    return
  }
  try {
    let filled = 0
    for (const piece of pieces) {
      for (let at = 0; at < piece.length; ) {
        const copied = piece.copy(shared, filled, at)
        filled += copied
        at += copied
        if (filled < MOST) continue
        yield shared
        filled = 0
      }
      release(piece)
    }
    if (filled > 0) yield shared.subarray(0, filled)
  } finally {
    resting.push(shared)
  }
}

function* oneByOne(pieces: Buffer[]): Generator<Uint8Array, void, undefined> {
  for (const piece of pieces) {
    yield piece
    release(piece)
  }
}

function sharedMemory(): Buffer<SharedArrayBuffer> | undefined {
  const found = resting.pop()
  if (found || made === MOST_SHARED) return found
  made++
  return Buffer.from(new SharedArrayBuffer(MOST))
}

/** Gives memory back at once where a piece is all that is in it, so that nobody else can hold a part of it. */
function release({ buffer, byteLength }: Buffer): void {
  if (buffer instanceof ArrayBuffer && buffer.byteLength === byteLength) buffer.transfer(0)
}
