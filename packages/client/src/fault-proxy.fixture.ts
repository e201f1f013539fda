import { once } from 'node:events'
import { createServer, type IncomingMessage, request, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { json } from 'node:stream/consumers'

/** What goes wrong with one exchange that otherwise passes. */
export interface Fault {
  /** Answers itself; the service hears nothing. */
  answer?: { status: number; headers?: Record<string, string>; body?: string }
  /** Breaks the connection after so many bytes of the answer's body; 0: after its head. */
  cutAfter?: number
  /** The cut waits for it. */
  cutWhen?: () => Promise<boolean>
  /** Says nothing more after so many bytes. */
  stallAfter?: number
  /** Turns over one bit of the answer's byte at this place. */
  corruptAt?: number
  /** Breaks the connection before an answer; the service has heard the request. */
  noAnswer?: boolean
  /** Takes the object with this key out of a JSON array, as a server does that doesn't know it. */
  without?: string
  /** Takes these out of the request. */
  withoutRequestHeaders?: string[]
  /** Takes these out of the answer. */
  withoutHeaders?: string[]
}

export interface Passed {
  method: string
  /** As it stood in the request line. */
  target: string
  headers: IncomingMessage['headers']
  status: number | undefined
}

/** A real proxy between client and service, that does harm on request. */
export interface FaultProxy extends AsyncDisposable {
  url: string
  passed: Passed[]
  /** The next request whose target matches gets this fault; faults queue. */
  next(pattern: RegExp, ...faults: Fault[]): void
  /** Requests so far whose target matches. */
  count(pattern: RegExp): number
  /** Answers that are under way. */
  open(): number
  pass(to: string): void
}

export async function faultProxy(): Promise<FaultProxy> {
  const passed: Passed[] = []
  const queue: { pattern: RegExp; fault: Fault }[] = []
  let upstream = ''
  let open = 0
  const server = createServer((incoming, outgoing) => {
    const { method = '', url: target = '', headers } = incoming
    const entry: Passed = { method, target, headers, status: undefined }
    passed.push(entry)
    open++
    outgoing.on('close', () => open--)
    const index = queue.findIndex(({ pattern }) => pattern.test(target))
    const fault = index === -1 ? {} : (queue.splice(index, 1)[0]?.fault ?? {})
    if (fault.answer) return answer(incoming, outgoing, fault.answer)
    forward({ incoming, outgoing, upstream, fault, entry })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  return {
    url: `http://127.0.0.1:${port}`,
    passed,
    next: (pattern, ...faults) => queue.push(...faults.map((fault) => ({ pattern, fault }))),
    count: (pattern) => passed.filter(({ target }) => pattern.test(target)).length,
    open: () => open,
    pass(to) {
      upstream = to
    },
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    },
  }
}

function answer(
  incoming: IncomingMessage,
  outgoing: ServerResponse,
  { status, headers = {}, body = '' }: NonNullable<Fault['answer']>,
): void {
  incoming.resume().once('end', () => outgoing.writeHead(status, headers).end(body))
}

interface Exchange {
  incoming: IncomingMessage
  outgoing: ServerResponse
  upstream: string
  fault: Fault
  entry: Passed
}

function forward({ incoming, outgoing, upstream, fault, entry }: Exchange): void {
  const { hostname, port } = new URL(upstream)
  const headers = without(incoming.headers, fault.withoutRequestHeaders)
  const onward = request({ hostname, port, method: entry.method, path: entry.target, headers }, async (answered) => {
    entry.status = answered.statusCode
    if (fault.noAnswer) {
      outgoing.destroy()
      return
    }
    if (fault.without !== undefined) {
      outgoing.end(await withoutKey(answered, fault.without))
      return
    }
    outgoing.writeHead(answered.statusCode ?? 502, without(answered.headers, fault.withoutHeaders))
    outgoing.flushHeaders()
    let position = 0
    if (fault.cutAfter === 0) {
      outgoing.destroy()
      return
    }
    try {
      for await (const chunk of answered as AsyncIterable<Buffer>) {
        const room = Math.min(chunk.length, (fault.cutAfter ?? fault.stallAfter ?? Number.POSITIVE_INFINITY) - position)
        const corrupt = (fault.corruptAt ?? -1) - position
        if (corrupt >= 0 && corrupt < chunk.length) chunk.writeUInt8(chunk.readUInt8(corrupt) ^ 1, corrupt)
        if (!outgoing.write(chunk.subarray(0, room))) await drained(outgoing)
        position += room
        if (room < chunk.length) {
          // A cut takes with it what fetch has received and nobody has read yet.
          if (fault.cutAfter !== undefined) setTimeout(() => void cutOnce(outgoing, fault.cutWhen), 250)
          return
        }
        if (outgoing.destroyed) return
      }
      outgoing.end()
    } catch {
      outgoing.destroy()
    }
  })
  onward.on('error', () => outgoing.destroy())
  outgoing.on('close', () => onward.destroy())
  incoming.pipe(onward)
}

function without(headers: IncomingMessage['headers'], names: string[] = []): IncomingMessage['headers'] {
  return Object.fromEntries(Object.entries(headers).filter(([name]) => !names.includes(name)))
}

async function cutOnce(outgoing: ServerResponse, ready: () => Promise<boolean> = async () => true): Promise<void> {
  while (!(await ready())) await new Promise((resolve) => setTimeout(resolve, 10))
  outgoing.destroy()
}

function drained(outgoing: ServerResponse): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      outgoing.off('drain', done).off('close', done)
      resolve()
    }
    outgoing.on('drain', done).on('close', done)
    if (outgoing.destroyed) done()
  })
}

async function withoutKey(answered: IncomingMessage, key: string): Promise<string> {
  const items = (await json(answered)) as { key: string }[]
  return JSON.stringify(items.filter((item) => item.key !== key))
}
