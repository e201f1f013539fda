/** B6: ranges and conditions over a real connection, row by row of RFC 9110 and of what S3's own suite asks. */
import { createHash, randomBytes } from 'node:crypto'
import { startAttache, type Uploaded } from '../server.ts'
import { exchange, type RawAnswer } from './b-wire.ts'
import { row, type Stage, type Verdict } from './stage.ts'

const SIZE = 100_000

/** What a case expects: the status, and which bytes. */
type Expected = [status: number, first?: number, last?: number]

interface Facts {
  etag: string
  date: string
  earlier: string
  later: string
}

const RANGES: [string, Expected][] = [
  ['bytes=0-0', [206, 0, 0]],
  ['bytes=0-99', [206, 0, 99]],
  ['bytes=99999-99999', [206, 99_999, 99_999]],
  ['bytes=0-', [206, 0, 99_999]],
  ['bytes=99990-', [206, 99_990, 99_999]],
  ['bytes=-1', [206, 99_999, 99_999]],
  ['bytes=-100000', [206, 0, 99_999]],
  ['bytes=-100001', [206, 0, 99_999]],
  ['bytes=-99999999999999999999', [206, 0, 99_999]],
  ['bytes=99000-100000', [206, 99_000, 99_999]],
  ['bytes=99000-99999999999999999999', [206, 99_000, 99_999]],
  ['Bytes=5-6', [206, 5, 6]],
  ['bytes=70000-90000', [206, 70_000, 90_000]],
  ['bytes=100000-', [416]],
  ['bytes=100000-100001', [416]],
  ['bytes=99999999999999999999-', [416]],
  ['bytes=-0', [416]],
  ['bytes=0-1,5-6', [200]],
  ['bytes=0-0,-1', [200]],
  ['bytes=5-4', [200]],
  ['bytes=-', [200]],
  ['bytes=', [200]],
  ['bytes', [200]],
  ['bytes=a-b', [200]],
  ['bytes=0x0-0x5', [200]],
  ['bytes=1.5-3', [200]],
  ['bytes=--1', [200]],
  ['items=0-5', [200]],
  ['bytes = 0-5', [200]],
  ['0-5', [200]],
]

const CONDITIONS: [Record<string, string>, Expected][] = [
  [{ 'if-match': 'ETAG' }, [200]],
  [{ 'if-match': '*' }, [200]],
  [{ 'if-match': '"x", ETAG' }, [200]],
  [{ 'if-match': '"x"' }, [412]],
  [{ 'if-match': 'W/ETAG' }, [412]],
  [{ 'if-none-match': 'ETAG' }, [304]],
  [{ 'if-none-match': 'W/ETAG' }, [304]],
  [{ 'if-none-match': '*' }, [304]],
  [{ 'if-none-match': '"x", ETAG' }, [304]],
  [{ 'if-none-match': '"x"' }, [200]],
  [{ 'if-modified-since': 'DATE' }, [304]],
  [{ 'if-modified-since': 'EARLIER' }, [200]],
  [{ 'if-modified-since': 'LATER' }, [200]],
  [{ 'if-modified-since': 'yesterday' }, [200]],
  [{ 'if-unmodified-since': 'DATE' }, [200]],
  [{ 'if-unmodified-since': 'EARLIER' }, [412]],
  [{ 'if-unmodified-since': 'x' }, [200]],
  [{ 'if-match': 'ETAG', 'if-unmodified-since': 'EARLIER' }, [200]],
  [{ 'if-match': '"x"', 'if-none-match': 'ETAG' }, [412]],
  [{ 'if-none-match': '"x"', 'if-modified-since': 'DATE' }, [200]],
  [{ range: 'bytes=5-9', 'if-match': 'ETAG' }, [206, 5, 9]],
  [{ range: 'bytes=5-9', 'if-match': '"x"' }, [412]],
  [{ range: 'bytes=5-9', 'if-none-match': 'ETAG' }, [304]],
  [{ range: 'bytes=5-9', 'if-range': 'ETAG' }, [206, 5, 9]],
  [{ range: 'bytes=5-9', 'if-range': 'DATE' }, [206, 5, 9]],
  [{ range: 'bytes=5-9', 'if-range': 'W/ETAG' }, [200]],
  [{ range: 'bytes=5-9', 'if-range': '"x"' }, [200]],
  [{ range: 'bytes=5-9', 'if-range': 'EARLIER' }, [200]],
  [{ range: 'bytes=200000-', 'if-range': '"x"' }, [200]],
  [{ range: 'bytes=200000-', 'if-range': 'ETAG' }, [416]],
]

const EMPTY: [Record<string, string>, Expected][] = [
  [{}, [200]],
  [{ range: 'bytes=0-' }, [416]],
  [{ range: 'bytes=0-0' }, [416]],
  [{ range: 'bytes=-1' }, [416]],
  [{ range: 'bytes=0-0,5-6' }, [200]],
  [{ 'if-none-match': 'ETAG' }, [304]],
]

const SAME_IN_HEAD =
  'content-type content-length content-range accept-ranges etag last-modified content-md5 content-disposition cache-control x-oss-hash-crc64ecma x-oss-object-type x-content-type-options content-security-policy'.split(
    ' ',
  )

async function prove({ directory, defer }: Stage): Promise<Verdict> {
  const attache = await startAttache({ data: directory })
  defer(() => attache.stop())
  const bytes = randomBytes(SIZE)
  const wrong: string[] = []
  let asked = 0
  for (const [content, cases] of [
    [
      bytes,
      [
        ...RANGES.map(([range, expected]) => [{ range }, expected] as [Record<string, string>, Expected]),
        ...CONDITIONS,
      ],
    ],
    [bytes.subarray(0, 1000), CONDITIONS.filter(([, expected]) => expected[0] !== 416)],
    [Buffer.alloc(0), EMPTY],
  ] as const) {
    const uploaded = await attache.upload('范围.bin', content)
    for (const [headers, expected] of cases) {
      for (const method of ['GET', 'HEAD']) {
        asked++
        const fault = await faultOf({ attache, uploaded, content }, { method, headers, expected })
        if (fault) wrong.push(`${method} of ${content.length} bytes with ${JSON.stringify(headers)}: ${fault}`)
      }
    }
  }
  for (const line of wrong) console.log(line)
  return { ok: wrong.length === 0, figure: `${asked - wrong.length} of ${asked} requests answered as they should be` }
}

interface Of {
  attache: Awaited<ReturnType<typeof startAttache>>
  uploaded: Uploaded
  content: Buffer
}

interface Case {
  method: string
  headers: Record<string, string>
  expected: Expected
}

async function faultOf(
  { attache, uploaded, content }: Of,
  { method, headers, expected }: Case,
): Promise<string | undefined> {
  const { url } = await attache.linkOf(uploaded)
  const plain = await ask(url, 'GET')
  const date = headerOf(plain, 'last-modified') ?? ''
  const shift = (seconds: number) => new Date(Date.parse(date) + seconds * 1000).toUTCString()
  const etag = `"${createHash('md5').update(content).digest('hex').toUpperCase()}"`
  const filled = fill(headers, { etag, date, earlier: shift(-60), later: shift(86_400) })
  const answer = await ask(url, method, filled)
  const [status, first = 0, last = content.length - 1] = expected
  if (answer.status !== status) return `${answer.status}, not ${status}`
  if (status === 416)
    return headerOf(answer, 'content-range') === `bytes */${content.length}`
      ? undefined
      : 'no Content-Range with the size'
  if (status !== 200 && status !== 206) return status === 304 && answer.body.length > 0 ? 'a body' : undefined
  if (headerOf(answer, 'content-length') !== String(last - first + 1))
    return `Content-Length ${headerOf(answer, 'content-length')}`
  if (status === 206 && headerOf(answer, 'content-range') !== `bytes ${first}-${last}/${content.length}`)
    return `Content-Range ${headerOf(answer, 'content-range')}`
  if (method === 'GET') return answer.body.equals(content.subarray(first, last + 1)) ? undefined : 'other bytes'
  if (answer.body.length > 0) return 'a body'
  const got = await ask(url, 'GET', filled)
  const other = SAME_IN_HEAD.filter((name) => !alike(headerOf(got, name), headerOf(answer, name)))
  return other.length > 0 ? `other ${other.join(', ')} than GET` : undefined
}

/** What is left of a link's life may be a second less in the later answer. */
function alike(one = '', other = ''): boolean {
  const [age, otherAge] = [one, other].map((value) => Number(/max-age=(\d+)/.exec(value)?.[1] ?? 0))
  const [rest, otherRest] = [one, other].map((value) => value.replace(/max-age=\d+/, ''))
  return rest === otherRest && Math.abs((age ?? 0) - (otherAge ?? 0)) <= 1
}

function fill(headers: Record<string, string>, { etag, date, earlier, later }: Facts): Record<string, string> {
  const words: Record<string, string> = { ETAG: etag, DATE: date, EARLIER: earlier, LATER: later }
  return Object.fromEntries(
    Object.entries(headers).map(([name, value]) => [
      name,
      value.replace(/ETAG|DATE|EARLIER|LATER/, (word) => words[word] ?? word),
    ]),
  )
}

async function ask(url: string, method: string, headers: Record<string, string> = {}): Promise<RawAnswer> {
  const { port, pathname, search, host } = new URL(url)
  const lines = Object.entries({ host, connection: 'close', ...headers }).map(
    ([name, value]) => `${name}: ${value}\r\n`,
  )
  const [answer] = await exchange(
    Number(port),
    Buffer.from(`${method} ${pathname}${search} HTTP/1.1\r\n${lines.join('')}\r\n`),
    { bodiless: method === 'HEAD' },
  )
  return answer ?? { status: 0, head: '', body: Buffer.alloc(0) }
}

function headerOf({ head }: RawAnswer, name: string): string | undefined {
  return new RegExp(`^${name}: (.*)$`, 'im').exec(head)?.[1]
}

await row('B6', prove)
