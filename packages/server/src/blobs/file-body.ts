import type { FileHandle } from 'node:fs/promises'
import { Readable } from 'node:stream'
import type { ByteRange } from './blob-store.ts'

// For a reader that may be slow: it must not hold much memory. The first bytes say nothing of that, because the sockets'
// own buffers take them.
const LEAST = 64 * 1024
const SOCKETS_TAKE = 12 * 1024 * 1024
const KEEPS_UP_MS = 50
// For one that keeps up. While one piece is on its way the next one is read.
const LARGE = 512 * 1024

// Memory that is used again: what is new for each piece costs the kernel as much as the copy, and the collector more.
const RESTING = new Map([
  [LEAST, { most: 64, buffers: [] as Buffer[] }],
  [LARGE, { most: 8, buffers: [] as Buffer[] }],
])

interface Piece {
  buffer: Buffer
  length: number
}

/** A range of a file. It owns the handle. Piped, or taken by `pieces`, it passes through memory that is used again. */
export class FileBody extends Readable {
  readonly #handle: FileHandle
  readonly #last: number
  #position: number
  #giveUp: ((error: Error) => void) | undefined

  constructor(handle: FileHandle, { first, last }: ByteRange) {
    super({ highWaterMark: 0 })
    this.#handle = handle
    this.#position = first
    this.#last = last
  }

  override _read(): void {
    const length = Math.min(LARGE / 2, this.#left())
    if (length === 0) this.push(null)
    else this.#fill(Buffer.allocUnsafe(length), length).then(({ buffer }) => this.push(buffer), this.#fail)
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    this.#giveUp?.(error ?? new Error('a body was given up'))
    this.#handle.close().then(() => done(error), done)
  }

  /** Instead of the stream: all bytes. Each piece is good until the next one is asked for. */
  async *pieces(): AsyncGenerator<Uint8Array, void, undefined> {
    try {
      yield* this.#inPieces(() => true)
    } finally {
      this.destroy()
    }
  }

  override pipe<T extends NodeJS.WritableStream>(destination: T, { end = true } = {}): T {
    this.#copyTo(destination).then(() => {
      if (end) destination.end()
      // Everything is read: the stream comes to its own end.
      this.resume()
    }, this.#fail)
    return destination
  }

  async #copyTo(destination: NodeJS.WritableStream): Promise<void> {
    let passed = 0
    let keepsUp = false
    for await (const piece of this.#inPieces(() => keepsUp)) {
      const began = performance.now()
      await this.#taken(destination, piece)
      passed += piece.length
      keepsUp = passed >= SOCKETS_TAKE && performance.now() - began < KEEPS_UP_MS
    }
  }

  /** Resolves when the kernel has the bytes. */
  #taken(destination: NodeJS.WritableStream, piece: Uint8Array): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#giveUp = reject
      if (this.destroyed) reject(new Error('a body was given up'))
      else destination.write(piece, (error) => (error ? reject(error) : resolve()))
    })
  }

  async *#inPieces(large: () => boolean): AsyncGenerator<Uint8Array, void, undefined> {
    let next = this.#next(large())
    try {
      while (next) {
        const { buffer, length } = await next
        const ahead = large()
        next = ahead ? this.#next(ahead) : undefined
        // Whoever goes on hears of it.
        next?.catch(() => {})
        yield buffer.subarray(0, length)
        // Only here: after any other end somebody may still read from it.
        giveBack(buffer)
        next ??= this.#next(large())
      }
    } finally {
      await next?.catch(() => {})
    }
  }

  #next(large: boolean): Promise<Piece> | undefined {
    const size = large ? LARGE : LEAST
    const length = Math.min(size, this.#left())
    if (length === 0) return undefined
    return this.#fill(RESTING.get(size)?.buffers.pop() ?? Buffer.allocUnsafeSlow(size), length)
  }

  #left(): number {
    return this.#last - this.#position + 1
  }

  #fill(buffer: Buffer, length: number): Promise<Piece> {
    const position = this.#position
    this.#position += length
    return readInto({ handle: this.#handle, buffer, length, position })
  }

  readonly #fail = (error: Error): void => {
    this.destroy(error)
  }
}

/** Exactly as many bytes as are asked for. */
export async function readExactly(handle: FileHandle, position: number, length: number): Promise<Buffer> {
  const { buffer } = await readInto({ handle, buffer: Buffer.allocUnsafe(length), length, position })
  return buffer
}

interface Reading extends Piece {
  handle: FileHandle
  position: number
}

async function readInto({ handle, buffer, length, position }: Reading): Promise<Piece> {
  let done = 0
  while (done < length) {
    const { bytesRead } = await handle.read(buffer, done, length - done, position + done)
    if (bytesRead === 0) throw new Error(`a blob ends at byte ${position + done}, before its record says`)
    done += bytesRead
  }
  return { buffer, length }
}

function giveBack(buffer: Buffer): void {
  const resting = RESTING.get(buffer.length)
  if (resting && resting.buffers.length < resting.most) resting.buffers.push(buffer)
}
