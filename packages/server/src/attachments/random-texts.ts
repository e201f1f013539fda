import { randomFillSync } from 'node:crypto'

const AT_ONCE = 128

/**
 * Gives texts of so many bytes from the CSPRNG, in base64url. Drawn for many at once, because a call of it costs as much
 * as everything else about a token; what was given out is wiped.
 */
export function randomTexts(bytes: number): () => string {
  const drawn = Buffer.alloc(bytes * AT_ONCE)
  let next = drawn.length
  return () => {
    if (next === drawn.length) {
      randomFillSync(drawn)
      next = 0
    }
    const [from, to] = [next, next + bytes]
    next = to
    const text = drawn.toString('base64url', from, to)
    drawn.fill(0, from, to)
    return text
  }
}
