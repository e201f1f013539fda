/** F6: line breaks, escapes and separators wherever a caller's words may reach a log; each request stays one line of JSON. */
import { readdir, readFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { type Attache, askLinks, formOf, GET_ACCESS_TOKEN, postForm, startAttache, until } from '../server.ts'
import { row } from './stage.ts'

const FORGED = '{"level":30,"msg":"forged"}'
const BREAKS = [
  '\n',
  '\r\n',
  '\r',
  '\u2028',
  '\u2029',
  '\u0085',
  '\u001b[2J\u001b[31m',
  '\0',
  '\u202e',
  '"}\n',
  '\\n',
  '%0d%0a',
  '%E2%80%A8',
  '\u009b31m',
]

await row('F6', async (stage) => {
  const data = join(stage.directory, 'data')
  const attache = await startAttache({ data, env: { ATTACHE_LOG_LEVEL: 'debug' } })
  stage.defer(() => attache.kill())
  const token = await attache.token()
  let asked = 1
  const spend = async (answer: Promise<Response>) => {
    asked++
    await (await answer).text()
  }
  let kept = 0
  for (const separator of BREAKS) {
    const words = `name${separator}${FORGED}${separator}end.pdf`
    // A name without what no name may hold.
    const answer = await postForm(
      attache.url,
      token,
      formOf(`name${separator}forged${separator}.pdf`, Buffer.from('x')),
    )
    asked++
    if (answer.status === 200) kept++
    await answer.text()
    await spend(askLinks(attache.url, token, [{ id: words, key: words, expiration: 1 }]))
    await spend(askLinks(attache.url, token, [{ id: words, key: words, expiration: words }]))
    await spend(
      fetch(
        `${attache.url}/attache/${encodeURIComponent(words)}?Signature=${encodeURIComponent(words)}&OSSAccessKeyId=${encodeURIComponent(words)}&Expires=9999999999`,
      ),
    )
    await spend(fetch(`${attache.url}/api/${encodeURIComponent(words)}`))
    await spend(
      fetch(attache.url + GET_ACCESS_TOKEN, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ appKey: words, appSecurity: words }),
      }),
    )
    const latin = Buffer.from(words.replace(/[\r\n\0]/g, '')).toString('latin1')
    await raw(
      attache,
      `GET /api/none HTTP/1.1\r\nHost: x\r\nUser-Agent: ${latin}\r\nX-Forwarded-For: ${latin}\r\nX-Request-Id: ${latin}\r\nConnection: close\r\n\r\n`,
    )
    asked++
    // What the parser refuses is no request.
    await raw(attache, `GET /${words} HTTP/1.1\r\nHost: ${words}\r\n\r\n`)
  }
  await until(5000, async () => (requestsIn(attache.stderr()) >= asked ? true : undefined)).catch(() => undefined)
  await attache.stop()
  const files = { log: attache.stderr(), ...(await auditFiles(data)) }
  const faults = Object.entries(files).flatMap(([name, words]) => faultsIn(words).map((fault) => `${name}: ${fault}`))
  for (const fault of faults.slice(0, 10)) console.log(fault)
  const requests = requestsIn(files.log)
  const lines = Object.values(files).reduce((sum, words) => sum + linesOf(words).length, 0)
  const figure = `${asked} requests, ${kept} such names kept: ${lines} lines in log and audit log, each one JSON object without control characters; ${faults.length} faults, ${requests} request lines`
  return { ok: faults.length === 0 && requests >= asked && kept > 0, figure }
})

function linesOf(words: string): string[] {
  return words.split('\n').filter((line) => line !== '')
}

function faultsIn(words: string): string[] {
  return linesOf(words).flatMap((line) => {
    if (/[\0-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202e]/.test(line))
      return [`a control character in ${JSON.stringify(line)}`]
    const parsed = parse(line)
    if (parsed === undefined) return [`not JSON: ${line}`]
    return parsed['msg'] === 'forged' ? [`forged: ${line}`] : []
  })
}

function parse(line: string): Record<string, unknown> | undefined {
  try {
    return JSON.parse(line)
  } catch {
    return undefined
  }
}

function requestsIn(log: string): number {
  return linesOf(log).filter((line) => parse(line)?.['msg'] === 'request').length
}

async function auditFiles(data: string): Promise<Record<string, string>> {
  const directory = join(data, 'audit')
  const names = await readdir(directory)
  return Object.fromEntries(
    await Promise.all(names.map(async (name) => [name, await readFile(join(directory, name), 'utf8')])),
  )
}

async function raw({ url }: Attache, request: string): Promise<void> {
  const { hostname, port } = new URL(url)
  const socket = connect(Number(port), hostname)
  socket.end(request)
  await text(socket).catch(() => '')
}
