import type { IncomingMessage } from 'node:http'

const MOST_BYTES = 64 * 1024 * 1024
const MOST_MS = 10_000

/**
 * Lets the rest of a refused body go by. The answer does not wait for it, but a caller that still sends would lose the
 * answer if the connection were closed under it. What is longer, or slower, loses the connection.
 */
export function passOverBody(request: IncomingMessage): void {
  if (request.complete || request.destroyed) return
  let left = MOST_BYTES
  const timer = setTimeout(() => request.destroy(), MOST_MS).unref()
  request.once('close', () => clearTimeout(timer))
  request.on('data', (chunk: Buffer) => {
    left -= chunk.length
    if (left < 0) request.destroy()
  })
  request.resume()
}
