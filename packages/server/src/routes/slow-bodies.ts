import type { IncomingMessage, Server } from 'node:http'
import { hasBody } from './framing.ts'

/** A body that brings less than this over `WINDOW_MS` is cut: a thousand of them cost their senders nothing, and us a thousand connections. */
const LEAST_BYTES_PER_SECOND = 1000
const WINDOW_MS = 10_000
const LOOK_MS = 1000

interface Coming {
  /** What the connection had received when the window began. */
  bytes: number
  since: number
}

/** Cuts connections whose bodies drip in. One that waits for us, because a disk is slow, is left alone. */
export function cutSlowBodies(server: Server): void {
  const coming = new Map<IncomingMessage, Coming>()

  function forget(this: IncomingMessage): void {
    coming.delete(this)
  }

  server.on('request', (request: IncomingMessage) => {
    if (request.complete || !hasBody(request)) return
    coming.set(request, { bytes: request.socket.bytesRead, since: performance.now() })
    request.once('close', forget)
  })

  function look(): void {
    const now = performance.now()
    for (const [request, window] of coming) {
      if (now - window.since < WINDOW_MS) continue
      const { bytesRead } = request.socket
      const isFull = request.readableLength >= request.readableHighWaterMark
      const slow = bytesRead - window.bytes < (LEAST_BYTES_PER_SECOND * (now - window.since)) / 1000
      if (slow && !isFull && !request.complete) request.destroy()
      else Object.assign(window, { bytes: bytesRead, since: now })
    }
  }

  const timer = setInterval(look, LOOK_MS).unref()
  server.once('close', () => clearInterval(timer))
}
