/** E6: what two parsers could read in two ways is refused, and the connection closed: no second request hides in the first. */
import { DOWNLOAD_URLS, startAttache, UPLOAD } from '../server.ts'
import { exchange } from './b-wire.ts'
import { row, type Stage, type Verdict } from './stage.ts'

const HIDDEN = 'GET /livez HTTP/1.1\r\nHost: hidden\r\n\r\n'

/** A head without its last empty line; what follows it is the body with a request in it. */
const HEADS: [string, string][] = [
  ['Content-Length and Transfer-Encoding', 'Content-Length: 5\r\nTransfer-Encoding: chunked'],
  ['Transfer-Encoding and Content-Length', 'Transfer-Encoding: chunked\r\nContent-Length: 5'],
  ['two lengths', 'Content-Length: 0\r\nContent-Length: 38'],
  ['the same length twice', 'Content-Length: 0\r\nContent-Length: 0'],
  ['two lengths in one line', 'Content-Length: 0, 38'],
  ['a negative length', 'Content-Length: -1'],
  ['a length with a sign', 'Content-Length: +0'],
  ['a length in hex', 'Content-Length: 0x0'],
  ['a length with a word', 'Content-Length: 0 x'],
  ['no length in a length', 'Content-Length: '],
  ['a length beyond all numbers', 'Content-Length: 99999999999999999999999'],
  ['an encoding after chunked', 'Transfer-Encoding: chunked, identity'],
  ['an unknown encoding', 'Transfer-Encoding: xchunked'],
  ['identity', 'Transfer-Encoding: identity'],
  ['two encodings', 'Transfer-Encoding: identity\r\nTransfer-Encoding: chunked'],
  ['a space before the colon', 'Transfer-Encoding : chunked'],
  ['a tab before the colon', 'Content-Length\t: 5'],
  ['a vertical tab', 'Transfer-Encoding: \x0bchunked'],
  ['a folded line', 'X-Y: a\r\n b'],
  ['a folded encoding', 'Transfer-Encoding:\r\n chunked'],
  ['a first header that is folded', ' X-Y: a'],
  ['a bare line feed', 'X-Y: a\nContent-Length: 0'],
  ['a bare carriage return', 'X-Y: a\rContent-Length: 0'],
  ['a NUL in a value', 'X-Y: a\0b'],
  ['a NUL in a name', 'X-\0Y: a'],
  ['a name with a space', 'X Y: a'],
  ['a line without a colon', 'XY'],
  ['a name that is empty', ': a'],
  ['brackets in a name', 'X[Y]: a'],
]

/** Refused for the token that it lacks, before its body is read. */
const OTHERWISE: Record<string, number> = { 'a chunk that is longer than it says': 403 }

/** Whole requests. */
const WHOLE: [string, string][] = [
  ['line feeds only', 'GET /livez HTTP/1.1\nHost: x\n\n'],
  ['a request without a Host', 'GET /livez HTTP/1.1\r\n\r\n'],
  ['no version', `GET /livez\r\nHost: x\r\n\r\n`],
  ['another version', `GET /livez HTTP/9.9\r\nHost: x\r\n\r\n`],
  ['a preface of HTTP/2', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'],
  ['a method of its own', `HACK /livez HTTP/1.1\r\nHost: x\r\n\r\n`],
  ['a space in the target', 'GET /a b HTTP/1.1\r\nHost: x\r\n\r\n'],
  ['a tab after the method', 'GET\t/livez HTTP/1.1\r\nHost: x\r\n\r\n'],
  ['control characters in the target', 'GET /a\x01b HTTP/1.1\r\nHost: x\r\n\r\n'],
  ['a chunk size in 0x', chunked('0x5\r\nhello\r\n0\r\n\r\n')],
  ['a chunk size with a sign', chunked('+5\r\nhello\r\n0\r\n\r\n')],
  ['a chunk size beyond all numbers', chunked('fffffffffffffffff\r\nhello')],
  ['a chunk that is longer than it says', chunked('1\r\nhello\r\n0\r\n\r\n')],
  ['a chunk extension with a line feed', chunked('5;x\ny\r\nhello\r\n0\r\n\r\n')],
  ['a chunk ended by a line feed', chunked('5\nhello\n0\n\n')],
  ['a chunk size with a space', chunked('5 5\r\nhello\r\n0\r\n\r\n')],
  ['a head of 100 kB', `GET /livez HTTP/1.1\r\nHost: x\r\nX: ${'y'.repeat(100_000)}\r\n\r\n`],
]

function chunked(body: string): string {
  return `POST ${DOWNLOAD_URLS} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n${body}`
}

async function prove({ directory, defer }: Stage): Promise<Verdict> {
  const attache = await startAttache({ data: directory })
  defer(() => attache.stop())
  const port = Number(new URL(attache.url).port)
  const cases = [...WHOLE]
  for (const [what, head] of HEADS) {
    for (const path of [DOWNLOAD_URLS, UPLOAD, '/attache/key', '/livez']) {
      cases.push([`${what} at ${path}`, `POST ${path} HTTP/1.1\r\nHost: x\r\n${head}\r\n\r\n0\r\n\r\n`])
    }
  }
  const wrong: string[] = []
  let hidden = 0
  for (const [what, text] of cases) {
    const answers = await exchange(port, Buffer.from(text + HIDDEN + HIDDEN, 'latin1')).catch((error: Error) => error)
    if (answers instanceof Error) wrong.push(`${what}: ${answers.message}`)
    else {
      // Nothing else here is answered so.
      hidden += answers.filter(({ status }) => status === 200).length
      if (answers.length !== 1 || answers[0]?.status !== (OTHERWISE[what] ?? 400))
        wrong.push(`${what}: ${answers.map(({ status }) => status)}`)
    }
  }
  const [usual] = await exchange(port, Buffer.from('GET /livez HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n'))
  if (usual?.status !== 200) wrong.push(`a usual request: ${usual?.status}`)
  for (const line of wrong) console.log(line)
  return {
    ok: wrong.length === 0 && hidden === 0,
    figure: `${cases.length - wrong.length} of ${cases.length} answered once and closed, with 400 but for ${Object.entries(
      OTHERWISE,
    )
      .map(([what, status]) => `${what} (${status})`)
      .join(', ')}; ${hidden} of ${2 * cases.length} hidden requests answered`,
  }
}

await row('E6', prove)
