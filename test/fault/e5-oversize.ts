/** E5: what is too large, too many or too deep is refused soon, and a batch of 100,000 leaves the loop free. */
import { fork } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { readdir } from 'node:fs/promises'
import { connect } from 'node:net'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { PATHS } from '../../packages/protocol/src/index.ts'
import {
  type Attache,
  bytesOf,
  DOWNLOAD_URLS,
  formOf,
  postForm,
  startAttache,
  UPLOAD,
  type Uploaded,
} from '../server.ts'
import { openInside } from './b-inside.ts'
import { answersIn } from './b-wire.ts'
import { row, type Stage, type Verdict } from './stage.ts'

const MEBIBYTE = 1024 * 1024
const UPLOAD_LIMIT = 30 * MEBIBYTE
/** A refused body is passed over for that long, so that a caller who still sends gets to read its answer. */
const PASSED_OVER = 64 * MEBIBYTE
/** What the two ends may keep in their socket buffers, as the kernel has it, and the sender before them. */
const SLACK = mostBuffered('tcp_rmem') + mostBuffered('tcp_wmem') + 2 * MEBIBYTE
const BATCH = 100_000
const MOST_BATCH_MS = 2500
const MOST_LAG_MS = 50
const MOST_DEEP_MS = 5
const DEEP_TRIES = 15

interface Flood {
  what: string
  path: string
  head: string
  first: string
  status: number
  /** Of the body, until the other end closes. */
  mostBytes: number
}

async function prove({ directory, full, defer }: Stage): Promise<Verdict> {
  const attache = await startAttache({ data: `${directory}/spawned` })
  defer(() => attache.stop())
  const wrong: string[] = []
  const form = '--edge\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n'
  const chunked = 'Transfer-Encoding: chunked'
  const multipart = 'Content-Type: multipart/form-data; boundary=edge'
  const json = 'Content-Type: application/json'
  const ten = String(10_000_000_000)
  const FLOODS: Flood[] = [
    {
      what: 'a file of 10 GB, chunked',
      path: UPLOAD,
      head: `${multipart}\r\n${chunked}`,
      first: form,
      status: 412,
      mostBytes: UPLOAD_LIMIT + PASSED_OVER + SLACK,
    },
    {
      what: 'a file that says 10 GB',
      path: UPLOAD,
      head: `${multipart}\r\nContent-Length: ${ten}`,
      first: form,
      status: 413,
      mostBytes: PASSED_OVER + SLACK,
    },
    {
      what: 'JSON of 10 GB, chunked',
      path: DOWNLOAD_URLS,
      head: `${json}\r\n${chunked}`,
      first: '[',
      status: 413,
      mostBytes: 16 * MEBIBYTE + PASSED_OVER + SLACK,
    },
    {
      what: 'JSON that says 10 GB',
      path: DOWNLOAD_URLS,
      head: `${json}\r\nContent-Length: ${ten}`,
      first: '[',
      status: 413,
      mostBytes: PASSED_OVER + SLACK,
    },
    {
      what: 'a document of 10 GB, chunked',
      path: PATHS.createDocument,
      head: `${json}\r\n${chunked}`,
      first: '{"form":{"a":"',
      status: 413,
      mostBytes: 2 * MEBIBYTE + PASSED_OVER + SLACK,
    },
    {
      what: 'a body of 10 GB to the data plane',
      path: '/attache/x',
      head: chunked,
      first: 'x',
      status: 403,
      mostBytes: PASSED_OVER + SLACK,
    },
  ]
  for (const each of FLOODS) wrong.push(...(await flood(attache, each)))
  wrong.push(...(await toTheByte(attache)))
  const deep = await smallButDeep(attache)
  wrong.push(...deep.wrong)
  const batch = await largeBatch(directory, { rounds: full ? 20 : 4, defer })
  if (batch.ms > MOST_BATCH_MS) wrong.push(`the batch took ${batch.ms} ms`)
  if (batch.p99 > MOST_LAG_MS) wrong.push(`lag ${batch.p99} ms`)
  for (const line of wrong) console.log(line)
  const figure = `${FLOODS.length} floods of 10 GB answered and cut (the rest of a refused body is read up to 64 MiB, a documented difference); a file of 30 MiB kept, one of a byte more refused, nothing temporary left; what is too deep refused in ${deep.slowest.ms.toFixed(1)} ms (median, of ${deep.slowest.what}); ${BATCH} items in ${Math.round(batch.ms)} ms (median of ${batch.rounds}), loop lag p99 ${batch.p99.toFixed(1)} ms, most ${batch.most.toFixed(0)} ms; ${wrong.length} wrong`
  return { ok: wrong.length === 0, figure }
}

/** The largest file that may be, and one of a byte more, of which nothing stays. */
async function toTheByte(attache: Attache): Promise<string[]> {
  const stored = async () => {
    const names = await readdir(`${attache.data}/blobs`, { recursive: true, withFileTypes: true })
    return names.filter((entry) => entry.isFile()).length
  }
  const before = await stored()
  const bytes = randomBytes(UPLOAD_LIMIT + 1)
  const largest = await postForm(attache.url, await attache.token(), formOf('largest.bin', bytes.subarray(0, -1)))
  const wrong = largest.status === 200 ? [] : [`30 MiB: ${largest.status}`]
  const { value } = (await largest.json()) as { value: Uploaded }
  const back = await bytesOf(await fetch((await attache.linkOf(value)).url))
  if (!back.equals(bytes.subarray(0, -1))) wrong.push('30 MiB came back otherwise')
  const over = await postForm(attache.url, await attache.token(), formOf('larger.bin', bytes))
  await over.text()
  if (over.status !== 412) wrong.push(`30 MiB and a byte: ${over.status}`)
  const [kept, temporary] = [(await stored()) - before, (await readdir(`${attache.data}/tmp`)).length]
  if (kept !== 1 || temporary !== 0) wrong.push(`${kept} kept, ${temporary} temporary files`)
  return wrong
}

/** Sends for ever; the answer must come, and then the end. */
async function flood(attache: Attache, { what, path, head, first, status, mostBytes }: Flood): Promise<string[]> {
  const socket = connect(Number(new URL(attache.url).port), '127.0.0.1')
  const chunks: Buffer[] = []
  socket.on('data', (chunk: Buffer) => chunks.push(chunk))
  socket.on('error', () => {})
  const closed = new Promise((resolve) => socket.once('close', resolve))
  const token = await attache.token()
  socket.write(`POST ${path}?accessToken=${token} HTTP/1.1\r\nHost: x\r\n${head}\r\n\r\n`)
  const isChunked = head.includes('chunked')
  const framed = (text: Buffer) =>
    isChunked ? Buffer.concat([Buffer.from(`${text.length.toString(16)}\r\n`), text, Buffer.from('\r\n')]) : text
  const block = framed(Buffer.alloc(MEBIBYTE, 'x'))
  socket.write(framed(Buffer.from(first)))
  let sent = 0
  let over = false
  closed.then(() => {
    over = true
  })
  while (!over && sent < 2 * (UPLOAD_LIMIT + PASSED_OVER)) {
    sent += MEBIBYTE
    if (!socket.write(block)) await Promise.race([new Promise((resolve) => socket.once('drain', resolve)), closed])
  }
  if (!over) {
    socket.destroy()
    return [`${what}: still open after ${sent / MEBIBYTE} MiB`]
  }
  const [answer] = answersIn(Buffer.concat(chunks))
  const wrong = answer?.status === status ? [] : [`${what}: ${answer?.status ?? 'no answer'}, not ${status}`]
  return socket.bytesWritten - 1000 > mostBytes
    ? [...wrong, `${what}: closed after ${socket.bytesWritten / MEBIBYTE} MiB only`]
    : wrong
}

/** In bytes, of one connection. */
function mostBuffered(setting: string): number {
  return Number(readFileSync(`/proc/sys/net/ipv4/${setting}`, 'latin1').trim().split(/\s+/)[2])
}

async function post(attache: Attache, path: string, body: string): Promise<{ status: number; ms: number }> {
  const token = await attache.token()
  const started = performance.now()
  const response = await fetch(`${attache.url}${path}?accessToken=${token}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body,
  })
  await response.arrayBuffer()
  return { status: response.status, ms: performance.now() - started }
}

interface Refused {
  what: string
  path?: string
  body: string
  statuses?: number[]
  /** Long to send; how long it took is not looked at. */
  large?: true
}

const ITEM = '{"id":"a","key":"b","expiration":1}'
const TOO_DEEP: Refused[] = [
  { what: '10,001 items', body: `[${Array(10_001).fill(ITEM).join()}]`, statuses: [400], large: true },
  { what: '1,000,000 items', body: `[${Array(1_000_000).fill(ITEM).join()}]`, statuses: [413], large: true },
  { what: '33 levels', body: '['.repeat(33) + ']'.repeat(33) },
  { what: '100,000 levels', body: '['.repeat(100_000) },
  { what: '5,000,000 levels', body: '['.repeat(5_000_000), large: true },
  {
    what: 'a document of 33 levels',
    path: PATHS.createDocument,
    body: `{"form":${'{"a":'.repeat(33)}1${'}'.repeat(33)}}`,
  },
  { what: 'a prototype', body: '[{"__proto__":{"id":"x"},"id":"a","key":"b","expiration":1}]' },
  { what: 'a constructor', body: '[{"constructor":{"prototype":{"x":1}},"id":"a","key":"b","expiration":1}]' },
  { what: 'a prototype in a document', path: PATHS.createDocument, body: '{"form":{"__proto__":{"x":1}}}' },
  { what: 'a prototype that is spelt out', body: '[{"\\u005f_proto__":{"x":1},"id":"a","key":"b","expiration":1}]' },
]

async function smallButDeep(attache: Attache): Promise<{ wrong: string[]; slowest: { what: string; ms: number } }> {
  const wrong: string[] = []
  let slowest = { what: 'nothing', ms: 0 }
  for (const { what, path = DOWNLOAD_URLS, body, statuses = [400, 412], large = false } of TOO_DEEP) {
    const tries = []
    for (let n = 0; n < (large ? 3 : DEEP_TRIES); n++) tries.push(await post(attache, path, body))
    if (!tries.every(({ status }) => statuses.includes(status)))
      wrong.push(`${what}: ${tries.map(({ status }) => status)}`)
    const ms = median(tries.map((each) => each.ms))
    if (large) continue
    if (ms > MOST_DEEP_MS) wrong.push(`${what}: ${ms} ms`)
    if (ms > slowest.ms) slowest = { what, ms }
  }
  return { wrong, slowest }
}

function median(times: readonly number[]): number {
  return times.toSorted((a, b) => a - b)[Math.floor(times.length / 2)] ?? Number.NaN
}

async function largeBatch(directory: string, { rounds, defer }: { rounds: number } & Pick<Stage, 'defer'>) {
  const on = await openInside({ directory: `${directory}/inside`, env: { ATTACHE_MAX_ITEMS: '100000' } })
  defer(() => on.close())
  const own = await on.corporation('own')
  const uploaded: Uploaded[] = []
  for (let n = 0; n < 50; n++) uploaded.push(await own.upload(`发票 ${n}.pdf`, Buffer.from(String(n))))
  const refs = Array.from({ length: BATCH }, (_, n) => {
    const { fileId: id, key } = uploaded[n % uploaded.length] ?? { fileId: '', key: '' }
    return { id, key, expiration: 1000 }
  })
  const client = await ownProcess({ port: on.port, token: own.token, body: JSON.stringify(refs) })
  await client.ask()
  const times: number[] = []
  const lag = monitorEventLoopDelay({ resolution: 1 })
  lag.enable()
  for (let round = 0; round < rounds; round++) times.push(await client.ask())
  lag.disable()
  client.end()
  return { ms: median(times), rounds, p99: lag.percentile(99) / 1e6, most: lag.max / 1e6 }
}

/** A client that shares neither loop nor heap with the service. */
async function ownProcess({ port, token, body }: { port: number; token: string; body: string }) {
  const child = fork(new URL('./e-batch-client.ts', import.meta.url), { serialization: 'advanced' })
  child.send({ address: `http://127.0.0.1:${port}${DOWNLOAD_URLS}?accessToken=${token}`, body })
  return {
    async ask(): Promise<number> {
      child.send('ask')
      const [{ ms, links }] = (await once(child, 'message')) as [{ ms: number; links: number }]
      if (links !== BATCH) throw new Error(`${links} links for ${BATCH} items`)
      return ms
    },
    end: () => child.kill(),
  }
}

await row('E5', prove)
