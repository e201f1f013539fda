import type { IncomingMessage, Server } from 'node:http'
import type { Socket } from 'node:net'
import { hasBody } from './framing.ts'

/** A body that brings less than this over `WINDOW_MS` is cut: a thousand of them cost their senders nothing, and us a thousand connections. */
const LEAST_BYTES_PER_SECOND = 1000
const WINDOW_MS = 10_000
const LOOK_MS = 1000

interface Coming {
  request: IncomingMessage
  /** What the connection had received when the window began. */
  bytes: number
  since: number
}

/** Cuts connections whose bodies drip in. One that waits for us, because a disk is slow, is left alone. */
export function cutSlowBodies(server: Server): void {
  // By connection, which has one body at a time: not every request says when it is over.
  const coming = new Map<Socket, Coming>()

  server.on('request', (request: IncomingMessage) => {
    const { socket } = request
    if (request.complete || !hasBody(request)) return
    coming.set(socket, { request, bytes: socket.bytesRead, since: performance.now() })
  })

  function look(): void {
    const now = performance.now()
    for (const [socket, window] of coming) {
      const { request, bytes, since } = window
      if (request.complete || socket.destroyed) coming.delete(socket)
      if (request.complete || now - since < WINDOW_MS) continue
      const isFull = request.readableLength >= request.readableHighWaterMark
      const slow = socket.bytesRead - bytes < (LEAST_BYTES_PER_SECOND * (now - since)) / 1000
      if (slow && !isFull) request.destroy()
      else Object.assign(window, { bytes: socket.bytesRead, since: now })
    }
  }

  const timer = setInterval(look, LOOK_MS).unref()
  server.once('close', () => clearInterval(timer))
}
