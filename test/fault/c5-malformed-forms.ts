/** C5: malformed multipart bodies, 1,000 of them: each is answered soon, nothing of it stays, the server lives. */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Attache, startAttache, UPLOAD } from '../server.ts'
import { exchange } from './b-wire.ts'
import { row, type Stage, type Verdict } from './stage.ts'

const MOST_MS = 1000
const MOST_GROWTH_MB = 32
const MEGABYTE = 1_000_000
const USUAL = 320
const AT_ONCE = 8

interface Form {
  kind: string
  type: string
  body: Buffer
  /** Sent in the place of the true length. */
  length?: number
  /** Whether it may be taken: odd, but with a name and a file. */
  sound?: boolean
}

type Make = (random: () => number) => Form

const TYPE = 'multipart/form-data; boundary=edge'
const part = (head: string, content: string | Buffer = 'x') =>
  Buffer.concat([Buffer.from(`--edge\r\n${head}\r\n\r\n`), Buffer.from(content), Buffer.from('\r\n')])
const END = Buffer.from('--edge--\r\n')
const NAME = part('Content-Disposition: form-data; name="name"', 'a.txt')
const FILE = part('Content-Disposition: form-data; name="file"; filename="a"', 'bytes')
const of = (kind: string, parts: (Buffer | string)[], more: Partial<Form> = {}): Form => ({
  kind,
  type: TYPE,
  body: Buffer.concat(parts.map((each) => Buffer.from(each))),
  ...more,
})

const MAKERS: Make[] = [
  () => of('no boundary', [NAME, FILE, END], { type: 'multipart/form-data' }),
  () => of('an empty boundary', [NAME, FILE, END], { type: 'multipart/form-data; boundary=' }),
  () => of('a boundary of 1 MB of dashes', ['-'.repeat(MEGABYTE)], { type: 'multipart/form-data; boundary=--------' }),
  () => of('another boundary', [NAME, FILE, END], { type: 'multipart/form-data; boundary=other' }),
  () =>
    of('a boundary of 70 characters and one more', [NAME, FILE, END], {
      type: `multipart/form-data; boundary=${'x'.repeat(71)}`,
    }),
  () => of('nothing at all', []),
  () => of('only the end', [END]),
  () => of('no end', [NAME, FILE]),
  () => of('half a head', [NAME, '--edge\r\nContent-Dispo']),
  () => of('half a boundary', [NAME, FILE, '--ed']),
  () =>
    of('the boundary in the data', [
      NAME,
      part('Content-Disposition: form-data; name="file"; filename="a"', 'a\r\n--edgex\r\n--edg\r\n-edge--\r\nb'),
      END,
    ]),
  () =>
    of('10,000 parts', [
      ...Array.from({ length: 10_000 }, (_, n) => part(`Content-Disposition: form-data; name="f${n}"`)),
      NAME,
      FILE,
      END,
    ]),
  () => of('10,000 parts of one name', [...Array.from({ length: 10_000 }, () => NAME), FILE, END]),
  () =>
    of(
      'a head of 1 MB',
      [part(`Content-Disposition: form-data; name="name"\r\nX: ${'x'.repeat(MEGABYTE)}`, 'a.txt'), FILE, END],
      { sound: true },
    ),
  () =>
    of(
      '10,000 lines of head',
      [part(`Content-Disposition: form-data; name="name"${'\r\nX: y'.repeat(10_000)}`, 'a.txt'), FILE, END],
      { sound: true },
    ),
  () =>
    of(
      'a file name of 1 MB',
      [NAME, part(`Content-Disposition: form-data; name="file"; filename="${'x'.repeat(MEGABYTE)}"`), END],
      { sound: true },
    ),
  () =>
    of('a name of 2 MB', [part('Content-Disposition: form-data; name="name"', 'x'.repeat(2 * MEGABYTE)), FILE, END]),
  () =>
    of(
      'a multipart in a part',
      [
        NAME,
        part(
          'Content-Disposition: form-data; name="file"; filename="a"\r\nContent-Type: multipart/mixed; boundary=inner',
          '--inner\r\n\r\nx\r\n--inner--',
        ),
        END,
      ],
      { sound: true },
    ),
  () =>
    of(
      'filename* of another charset',
      [NAME, part(`Content-Disposition: form-data; name="file"; filename*=utf-16''%ff%fe%00`), END],
      { sound: true },
    ),
  () =>
    of(
      'filename* that is broken',
      [NAME, part(`Content-Disposition: form-data; name="file"; filename*=UTF-8''%zz%`), END],
      { sound: true },
    ),
  () =>
    of('filename* without quotes', [NAME, part('Content-Disposition: form-data; name="file"; filename*=%'), END], {
      sound: true,
    }),
  () => of('the name behind the file', [FILE, NAME, END], { sound: true }),
  () => of('two files', [NAME, FILE, FILE, END]),
  () => of('two files and the name behind', [FILE, FILE, NAME, END]),
  () => of('no disposition', [part('X: y'), NAME, FILE, END], { sound: true }),
  () => of('a disposition of another kind', [part('Content-Disposition: attachment; name="name"', 'a.txt'), FILE, END]),
  () => of('a name that is none', [part('Content-Disposition: form-data', 'a.txt'), FILE, END]),
  () =>
    of(
      'names with quotes that do not end',
      [
        part('Content-Disposition: form-data; name="name', 'a.txt'),
        part('Content-Disposition: form-data; name="file; filename="a'),
        END,
      ],
      { sound: true },
    ),
  () =>
    of('__proto__ as a part', [part('Content-Disposition: form-data; name="__proto__"'), NAME, FILE, END], {
      sound: true,
    }),
  () =>
    of('a bare line feed between lines', [
      Buffer.from(Buffer.concat([NAME, FILE, END]).toString().replaceAll('\r\n', '\n')),
    ]),
  () => of('NULs', [Buffer.alloc(100_000)]),
  () =>
    of('a preamble and an epilogue', ['x'.repeat(100_000), '\r\n', NAME, FILE, END, 'y'.repeat(100_000)], {
      sound: true,
    }),
  () => of('more length than there is', [NAME, FILE], { length: 100_000 }),
  () =>
    of(
      'base64 that is not decoded',
      [
        NAME,
        part('Content-Disposition: form-data; name="file"; filename="a"\r\nContent-Transfer-Encoding: base64', '!!!!'),
        END,
      ],
      { sound: true },
    ),
  (random) =>
    spoilt('bytes changed at random', random, (bytes, at) => bytes.fill(Math.floor(random() * 256), at, at + 1)),
  (random) =>
    spoilt('bytes missing at random', random, (bytes, at) =>
      Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + 1 + Math.floor(random() * 20))]),
    ),
  (random) => spoilt('cut at random', random, (bytes, at) => bytes.subarray(0, at)),
  (random) => of('noise', [Buffer.from(Array.from({ length: 2000 }, () => Math.floor(random() * 256)))]),
]

function spoilt(kind: string, random: () => number, change: (bytes: Buffer, at: number) => Buffer): Form {
  let body: Buffer = Buffer.concat([NAME, FILE, END])
  for (let turn = 0; turn < 1 + random() * 4; turn++) body = change(body, Math.floor(random() * body.length))
  return { kind, type: TYPE, body, sound: true }
}

interface Outcome {
  status: number
  ms: number
}

async function prove({ directory, random, full, defer }: Stage): Promise<Verdict> {
  const attache = await startAttache({ data: directory })
  defer(() => attache.stop())
  const token = await attache.token()
  const fresh = residentMb(attache.pid)
  await attache.upload('first.txt', Buffer.from('x'))
  await usualWork(attache, token)
  const before = residentMb(attache.pid)
  const wrong: string[] = []
  const statuses = new Map<number, number>()
  let [slowest, most] = [0, before]
  const wanted = full ? 20_000 : 1000
  for (let n = 0; n < wanted; n++) {
    const form = (MAKERS[n % MAKERS.length] as Make)(random)
    const { status, ms } = await send(attache, token, form)
    statuses.set(status, (statuses.get(status) ?? 0) + 1)
    slowest = Math.max(slowest, ms)
    most = Math.max(most, residentMb(attache.pid))
    const refused = status >= 400 && status < 500
    // Whoever hangs up in the middle of a body has nobody to answer.
    const fits = refused || (status === 200 && form.sound) || (status === 0 && form.length !== undefined)
    if (!fits || ms > MOST_MS) wrong.push(`${form.kind}: ${status} after ${Math.round(ms)} ms`)
  }
  await attache.upload('last.txt', Buffer.from('x'))
  const left = readdirSync(join(directory, 'tmp')).length
  const alive = existsSync(`/proc/${attache.pid}`)
  for (const line of wrong.slice(0, 20)) console.log(line)
  const grown = Math.round(most - before)
  const figure = `${wanted} forms: ${[...statuses].map(([status, count]) => `${count} × ${status || 'no answer to half a body'}`).join(', ')}; ${wrong.length} wrong or late, slowest ${Math.round(slowest)} ms, ${left} temporary files, memory +${grown} MB over what ordinary uploads took, +${Math.round(most - fresh)} MB over a fresh start`
  return { ok: wrong.length === 0 && left === 0 && alive && grown <= MOST_GROWTH_MB && attache.stderr() === '', figure }
}

/** What ordinary uploads of this size and ordinary batches bring the heap to in any case. */
async function usualWork(attache: Attache, token: string): Promise<void> {
  const usual = of('usual', [
    NAME,
    part('Content-Disposition: form-data; name="file"; filename="a"', Buffer.alloc(2 * MEGABYTE)),
    END,
  ])
  const { fileId: id, key } = await attache.upload('batch.txt', Buffer.from('x'))
  const refs = Array.from({ length: 5000 }, () => ({ id, key, expiration: 100 }))
  for (let n = 0; n < USUAL; n += AT_ONCE) {
    await Promise.all([attache.links(refs), ...Array.from({ length: AT_ONCE }, () => send(attache, token, usual))])
  }
}

async function send({ url }: Attache, token: string, { type, body, length }: Form): Promise<Outcome> {
  const { port, host } = new URL(url)
  const head = `POST ${UPLOAD}?accessToken=${token} HTTP/1.1\r\nHost: ${host}\r\nContent-Type: ${type}\r\nContent-Length: ${length ?? body.length}\r\nConnection: close\r\n\r\n`
  const started = performance.now()
  const bytes = Buffer.concat([Buffer.from(head), body])
  const answers = await exchange(Number(port), bytes, { hangUp: length !== undefined })
  return { status: answers[0]?.status ?? 0, ms: performance.now() - started }
}

function residentMb(pid: number): number {
  return Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'latin1'))?.[1]) / 1000
}

await row('C5', prove)
