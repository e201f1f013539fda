/** E5: what is too large, too many or too deep is refused soon, and a batch of 100,000 leaves the loop free. */
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { connect } from 'node:net'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { PATHS } from '../../packages/protocol/src/index.ts'
import { type Attache, DOWNLOAD_URLS, startAttache, UPLOAD, type Uploaded } from '../server.ts'
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
const MOST_DEEP_MS = 50

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
  wrong.push(...(await smallButDeep(attache)))
  const batch = await largeBatch(directory, { rounds: full ? 20 : 4, defer })
  if (batch.ms > MOST_BATCH_MS) wrong.push(`the batch took ${batch.ms} ms`)
  if (batch.p99 > MOST_LAG_MS) wrong.push(`lag ${batch.p99} ms`)
  for (const line of wrong) console.log(line)
  const figure = `${FLOODS.length} floods of 10 GB answered and cut (the rest of a refused body is read up to 64 MiB, a documented difference); ${BATCH} items in ${Math.round(batch.ms)} ms (median of ${batch.rounds}), loop lag p99 ${batch.p99.toFixed(1)} ms, most ${batch.most.toFixed(0)} ms; ${wrong.length} wrong`
  return { ok: wrong.length === 0, figure }
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

async function smallButDeep(attache: Attache): Promise<string[]> {
  const wrong: string[] = []
  const token = await attache.token()
  const post = async (path: string, body: string): Promise<{ status: number; ms: number }> => {
    const started = performance.now()
    const response = await fetch(`${attache.url}${path}?accessToken=${token}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body,
    })
    await response.arrayBuffer()
    return { status: response.status, ms: performance.now() - started }
  }
  const item = '{"id":"a","key":"b","expiration":1}'
  const cases: [string, string, string, number[]][] = [
    ['10,001 items', DOWNLOAD_URLS, `[${Array(10_001).fill(item).join()}]`, [400]],
    ['1,000,000 items', DOWNLOAD_URLS, `[${Array(1_000_000).fill(item).join()}]`, [413]],
    ['33 levels', DOWNLOAD_URLS, '['.repeat(33) + ']'.repeat(33), [400, 412]],
    ['100,000 levels', DOWNLOAD_URLS, '['.repeat(100_000), [400, 412]],
    ['5,000,000 levels', DOWNLOAD_URLS, '['.repeat(5_000_000), [400, 412]],
    ['a document of 33 levels', PATHS.createDocument, `{"form":${'{"a":'.repeat(33)}1${'}'.repeat(33)}}`, [400, 412]],
    ['a prototype', DOWNLOAD_URLS, '[{"__proto__":{"id":"x"},"id":"a","key":"b","expiration":1}]', [400, 412]],
    [
      'a constructor',
      DOWNLOAD_URLS,
      '[{"constructor":{"prototype":{"x":1}},"id":"a","key":"b","expiration":1}]',
      [400, 412],
    ],
    ['a prototype in a document', PATHS.createDocument, '{"form":{"__proto__":{"x":1}}}', [400, 412]],
    [
      'a prototype that is spelt out',
      DOWNLOAD_URLS,
      '[{"\\u005f_proto__":{"x":1},"id":"a","key":"b","expiration":1}]',
      [400, 412],
    ],
  ]
  for (const [what, path, body, statuses] of cases) {
    const tries = []
    for (let n = 0; n < 3; n++)
      tries.push(
        await post(path, body).catch((error) => {
          throw new Error(what, { cause: error })
        }),
      )
    const ms = Math.min(...tries.map((each) => each.ms))
    if (!tries.every(({ status }) => statuses.includes(status)))
      wrong.push(`${what}: ${tries.map(({ status }) => status)}`)
    if (body.length < 200_000 && ms > MOST_DEEP_MS) wrong.push(`${what}: ${ms} ms`)
  }
  return wrong
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
  const ms = times.toSorted((a, b) => a - b)[Math.floor(times.length / 2)] ?? Number.NaN
  return { ms, rounds, p99: lag.percentile(99) / 1e6, most: lag.max / 1e6 }
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
