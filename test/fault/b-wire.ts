/** HTTP by hand: what leaves is what stands here, byte for byte, and what comes back is not mended. */
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'

export interface RawRequest {
  method: string
  target: string
  headers: Record<string, string>
}

export interface RawAnswer {
  status: number
  head: string
  body: Buffer
}

/** The status, 0 when the connection closed without one. */
export async function rawGet(port: number, { method, target, headers }: RawRequest): Promise<number> {
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`)
  const [answer] = await exchange(
    port,
    Buffer.from(`${method} ${target} HTTP/1.1\r\n${lines.join('')}connection: close\r\n\r\n`, 'latin1'),
  )
  return answer?.status ?? 0
}

export interface ExchangeOptions {
  deadlineMs?: number
  /** Whether what comes back has no bodies, whatever its Content-Length says: HEAD was asked. */
  bodiless?: boolean
  /** Ends our half as soon as all is sent. */
  hangUp?: boolean
}

/** Sends `bytes` on a connection of its own and reads until it is closed. */
export async function exchange(port: number, bytes: Uint8Array, options: ExchangeOptions = {}): Promise<RawAnswer[]> {
  const { deadlineMs = 10_000, bodiless = false, hangUp = false } = options
  const socket = connect(port, '127.0.0.1')
  socket.setTimeout(deadlineMs, () => socket.destroy(new Error(`still open after ${deadlineMs} ms`)))
  const received = allOf(socket)
  if (hangUp) socket.end(bytes)
  else socket.write(bytes)
  return answersIn(await received, bodiless)
}

async function allOf(socket: Socket): Promise<Buffer> {
  const chunks: Buffer[] = []
  let timedOut: Error | undefined
  socket.on('data', (chunk: Buffer) => chunks.push(chunk))
  socket.on('error', (error: NodeJS.ErrnoException) => {
    // The other end may close while we still write.
    if (error.code === undefined) timedOut = error
  })
  await once(socket, 'close')
  if (timedOut) throw timedOut
  return Buffer.concat(chunks)
}

/** The statuses of requests sent one behind the other on one connection, which stays open between them. */
export async function pipelined(port: number, requests: readonly RawRequest[]): Promise<number[]> {
  const socket = connect(port, '127.0.0.1')
  const received = allOf(socket)
  for (const [index, { method, target, headers }] of requests.entries()) {
    const connection = index === requests.length - 1 ? 'connection: close\r\n' : ''
    const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`)
    const sent = socket.write(`${method} ${target} HTTP/1.1\r\n${lines.join('')}${connection}\r\n`, 'latin1')
    if (!sent) await once(socket, 'drain')
  }
  const answers = answersIn(await received)
  if (answers.length !== requests.length) throw new Error(`${answers.length} answers to ${requests.length} requests`)
  return answers.map(({ status }) => status)
}

/** All answers in what a connection gave, each with the body that its Content-Length says. */
export function answersIn(bytes: Buffer, bodiless = false): RawAnswer[] {
  const answers: RawAnswer[] = []
  let at = 0
  while (at < bytes.length) {
    const end = bytes.indexOf('\r\n\r\n', at)
    if (end === -1) break
    const head = bytes.toString('latin1', at, end)
    const status = Number(/^HTTP\/1\.[01] (\d{3})/.exec(head)?.[1] ?? 0)
    const said = Number(/^content-length: *(\d+)/im.exec(head)?.[1] ?? 0)
    const isChunked = /^transfer-encoding: *chunked/im.test(head)
    // What may have no body must have nothing behind its head.
    const whole = isChunked ? bytes.indexOf('0\r\n\r\n', end) + 5 : end + 4 + said
    const next = bodiless || status === 304 ? bytes.length : whole
    answers.push({ status, head, body: bytes.subarray(end + 4, next) })
    at = next
  }
  return answers
}
