import { createHash } from 'node:crypto'

/** A piece of a body, whole in memory, so that it can be sent again. */
export interface Part {
  /** From 1, as stores count them. */
  number: number
  bytes: Buffer
  /** The 16 bytes of the digest. */
  md5: Buffer
  /** Set for the last one, which alone may be shorter; that of an empty body has no bytes. */
  last: boolean
}

const LEAST_BYTES = 64 * 1024

/** Cuts a body into parts of `size` bytes. Holds one of them, and what came in one chunk beyond it. */
export async function* partsOf(body: AsyncIterable<Uint8Array>, size: number): AsyncGenerator<Part, void, undefined> {
  let part = growing(1, size)
  for await (const chunk of body) {
    let rest = chunk
    // A part that is just full waits: whether it is the last one shows only when more comes.
    while (part.length() + rest.length > size) {
      const fits = size - part.length()
      part.add(rest.subarray(0, fits))
      rest = rest.subarray(fits)
      yield part.end(false)
      part = growing(part.number + 1, size)
    }
    part.add(rest)
  }
  yield part.end(true)
}

function growing(number: number, size: number) {
  const md5 = createHash('md5')
  let buffer = Buffer.allocUnsafe(Math.min(size, LEAST_BYTES))
  let length = 0

  function grow(least: number): void {
    const larger = Buffer.allocUnsafe(Math.min(size, Math.max(least, buffer.length * 2)))
    buffer.copy(larger, 0, 0, length)
    buffer = larger
  }

  return {
    number,
    length: () => length,
    /** Copies: a parser may use its buffer again. */
    add(chunk: Uint8Array): void {
      if (length + chunk.length > buffer.length) grow(length + chunk.length)
      buffer.set(chunk, length)
      md5.update(chunk)
      length += chunk.length
    },
    end(last: boolean): Part {
      return { number, bytes: buffer.subarray(0, length), md5: md5.digest(), last }
    },
  }
}
