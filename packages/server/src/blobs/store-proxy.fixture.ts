import { once } from 'node:events'
import { createServer, type IncomingHttpHeaders, type IncomingMessage, request, type ServerResponse } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'

/** What goes wrong with one exchange with a store that otherwise passes. */
export interface StoreFault {
  /** Answered by the proxy itself, with a code in XML; the store hears nothing. */
  refuse?: { status: number; code: string }
  /** The connection is reset after so many bytes of the answer's body; 0: before its head, when the store has done the work. */
  resetAt?: number
  /** The body ends there, and its head says so too. */
  shortenTo?: number
  /** Nothing more comes after so many bytes; 0: not even the head. */
  stallAt?: number
  etag?: string
  delayMs?: number
}

export interface StoreRequest {
  method: string
  /** Path and query. */
  target: string
}

export interface StoreProxy extends AsyncDisposable {
  url: string
  requests: StoreRequest[]
  /** Asked for each request. */
  fault: (request: StoreRequest) => StoreFault | undefined
  /** Connections that clients hold open. */
  connections(): number
}

/** A real proxy in front of a real store, that does harm on request. */
export async function storeProxy(to: string): Promise<StoreProxy> {
  const sockets = new Set<Socket>()
  const server = createServer(async (incoming, outgoing) => {
    const asked = { method: incoming.method ?? '', target: incoming.url ?? '' }
    proxy.requests.push(asked)
    const fault = proxy.fault(asked) ?? {}
    outgoing.on('error', () => {})
    if (fault.delayMs !== undefined) await new Promise((resolve) => setTimeout(resolve, fault.delayMs))
    // The client may have left meanwhile.
    if (outgoing.destroyed) return
    if (fault.refuse) refuse(incoming, outgoing, fault.refuse)
    else forward({ incoming, outgoing, to: new URL(to), fault })
  })
  server.on('connection', (socket) => {
    sockets.add(socket)
    socket.once('close', () => sockets.delete(socket)).on('error', () => {})
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const proxy: StoreProxy = {
    url: `http://127.0.0.1:${port}`,
    requests: [],
    fault: () => undefined,
    connections: () => sockets.size,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy()
      server.close()
      await once(server, 'close')
    },
  }
  return proxy
}

function refuse(
  incoming: IncomingMessage,
  outgoing: ServerResponse,
  { status, code }: NonNullable<StoreFault['refuse']>,
): void {
  const xml = `<?xml version="1.0" encoding="UTF-8"?><Error><Code>${code}</Code><Message>${code}</Message></Error>`
  const headers = { 'content-type': 'application/xml', 'content-length': xml.length }
  incoming.resume().once('end', () => outgoing.writeHead(status, headers).end(xml))
}

interface Forwarded {
  incoming: IncomingMessage
  outgoing: ServerResponse
  to: URL
  fault: StoreFault
}

function forward({ incoming, outgoing, to, fault }: Forwarded): void {
  const { method, url: path } = incoming
  const headers = { ...incoming.headers, connection: 'close' }
  // The signature covers the host that the client named.
  const onward = request({ host: to.hostname, port: to.port, method, path, headers, agent: false }, (answer) => {
    answer.on('error', () => outgoing.destroy())
    if (fault.resetAt === 0) return reset(outgoing)
    if (fault.stallAt === 0) return
    outgoing.writeHead(answer.statusCode ?? 502, changed(answer.headers, fault))
    outgoing.flushHeaders()
    const end = fault.resetAt ?? fault.stallAt ?? fault.shortenTo
    if (end === undefined) answer.pipe(outgoing)
    else passUpTo(end, { answer, outgoing, fault }).catch(() => outgoing.destroy())
  })
  onward.on('error', () => outgoing.destroy())
  outgoing.on('close', () => onward.destroy())
  incoming.pipe(onward)
}

async function passUpTo(
  end: number,
  { answer, outgoing, fault }: { answer: IncomingMessage; outgoing: ServerResponse; fault: StoreFault },
): Promise<void> {
  let left = end
  for await (const chunk of answer as AsyncIterable<Buffer>) {
    const passed = chunk.subarray(0, left)
    left -= passed.length
    await new Promise((resolve) => outgoing.write(passed, resolve))
    if (left > 0) continue
    if (fault.stallAt !== undefined) await once(outgoing, 'close')
    else if (fault.resetAt !== undefined) reset(outgoing)
    else outgoing.end()
    return
  }
}

function reset(outgoing: ServerResponse): void {
  outgoing.socket?.resetAndDestroy()
}

function changed(
  { connection: _, ...headers }: IncomingHttpHeaders,
  { etag, shortenTo }: StoreFault,
): IncomingHttpHeaders {
  return {
    ...headers,
    ...(etag !== undefined && { etag }),
    ...(shortenTo !== undefined && { 'content-length': String(shortenTo) }),
  }
}
