/** E4: clients that drip their heads or bodies are cut; those that read slowly are served on, as F2 has it; nobody else notices either. */
import { readdir } from 'node:fs/promises'
import { connect, type Socket } from 'node:net'
import { setTimeout as pause } from 'node:timers/promises'
import { type Attache, DOWNLOAD_URLS, startAttache, UPLOAD } from '../server.ts'
import { p99, startAsker } from './asker.ts'
import { arriving, type SlowRead, slowRead } from './slow-clients.ts'
import { row, type Stage, type Verdict } from './stage.ts'

const MOST_OPEN_MS = 20_000
const DRIP_MS = 900
const WATCH_MS = 24_000
const LONG_WATCH_MS = 60_000
const LARGE = 30_000_000
const BYTES_A_SECOND = 10_000
const MOST_TIMES_IDLE = 2
/** Below this a comparison of two times says nothing on a machine that does other work. */
const LEAST_MS = 2
const WARM_UP_MS = 3000
const IDLE_MS = 4000
const ARRIVES_MS = 50

interface Drip {
  kind: string
  first: string
  /** Sent again and again. */
  next: string
}

interface Watched {
  kind: string
  /** Until the other side closed; infinite while it has not. */
  openMs: number
}

async function prove({ directory, full, defer }: Stage): Promise<Verdict> {
  const attache = await startAttache({ data: directory })
  defer(() => attache.stop())
  const token = await attache.token()
  const asker = await startAsker(attache)
  defer(() => asker.end())
  const during = async (ms: number) => {
    await asker.take()
    await pause(ms)
    return p99(await asker.take())
  }
  await pause(WARM_UP_MS)
  const before = await during(IDLE_MS)
  const connections = full ? 1000 : 240
  const watched = Array.from({ length: connections }, (_, n) => open(attache, drips(token)[n % 4] as Drip))
  const large = await attache.linkOf(await attache.upload('large.bin', Buffer.alloc(LARGE, 'x')))
  // The first megabytes go into the buffers of each connection as fast as they can: that is no slow reading yet.
  const arrivals = { count: connections / 4, everyMs: ARRIVES_MS }
  const reads = await arriving(arrivals, () => slowRead(large.url, BYTES_A_SECOND))
  const storm = await during(full ? LONG_WATCH_MS : WATCH_MS)
  const readers = await endOf(reads)
  const found = await Promise.all(watched.map((one) => one.end()))
  // Whatever else the machine does meanwhile slows the idle times as well.
  const idle = Math.max(before, await during(IDLE_MS))
  const late = found.filter(({ openMs }) => openMs > MOST_OPEN_MS)
  const slowest = new Map<string, number>()
  for (const { kind, openMs } of found) slowest.set(kind, Math.max(slowest.get(kind) ?? 0, openMs))
  for (const [kind, ms] of slowest) console.log(`${kind}: cut after ${(ms / 1000).toFixed(1)} s at most`)
  const left = await temporaryFiles(directory)
  const figure = `${connections} slow connections: ${late.length} open after 20 s (${[...slowest].map(([kind, ms]) => `${kind} ${(ms / 1000).toFixed(1)} s`).join(', ')}); p99 of others ${storm.toFixed(1)} ms, idle ${idle.toFixed(1)} ms; ${readers.served} of ${readers.all} slow readers of 30 MB served on meanwhile; ${left} temporary files`
  const unhurt = readers.served === readers.all
  return {
    ok: late.length === 0 && left === 0 && unhurt && storm <= Math.max(MOST_TIMES_IDLE * idle, LEAST_MS),
    figure,
  }
}

/** How many were being served until they were told to leave. */
async function endOf(reads: readonly SlowRead[]): Promise<{ served: number; all: number }> {
  const each = reads.map(async ({ begun, ended, abort }) => {
    const status = await begun.catch(() => 0)
    const isServed = await Promise.race([ended.then(() => false), pause(100, true)])
    abort()
    const { bytes, whole } = await ended
    return status === 200 && isServed && bytes > 0 && !whole
  })
  return { served: (await Promise.all(each)).filter(Boolean).length, all: reads.length }
}

function drips(token: string): Drip[] {
  const post = (path: string, more: string) =>
    `POST ${path}?accessToken=${token} HTTP/1.1\r\nHost: x\r\n${more}\r\n\r\n`
  const form = 'Content-Type: multipart/form-data; boundary=edge'
  const start = '--edge\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n'
  return [
    { kind: 'head', first: 'GET / HTTP/1.1\r\nHost: x\r\n', next: 'X-Y: z\r\n' },
    { kind: 'body of a form', first: post(UPLOAD, `${form}\r\nContent-Length: 1000000`) + start, next: 'x' },
    {
      kind: 'chunked body of a form',
      first: `${post(UPLOAD, `${form}\r\nTransfer-Encoding: chunked`)}${start.length.toString(16)}\r\n${start}\r\n`,
      next: '1\r\nx\r\n',
    },
    {
      kind: 'body in JSON',
      first: post(DOWNLOAD_URLS, 'Content-Type: application/json\r\nContent-Length: 10000'),
      next: ' ',
    },
  ]
}

function open({ url }: Attache, { kind, first, next }: Drip): { end(): Promise<Watched> } {
  const socket: Socket = connect(Number(new URL(url).port), '127.0.0.1')
  const started = performance.now()
  let openMs = Number.POSITIVE_INFINITY
  socket.on('error', () => {})
  socket.resume()
  const closed = () => {
    openMs = Math.min(openMs, performance.now() - started)
    clearInterval(timer)
  }
  socket.once('end', closed).once('close', closed)
  socket.write(first)
  const timer = setInterval(() => socket.write(next), DRIP_MS)
  return {
    async end() {
      clearInterval(timer)
      socket.destroy()
      return { kind, openMs }
    },
  }
}

async function temporaryFiles(directory: string): Promise<number> {
  return (await readdir(`${directory}/tmp`)).length
}

await row('E4', prove)
