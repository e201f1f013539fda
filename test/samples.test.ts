import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { hash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { buffer } from 'node:stream/consumers'
import { after, type TestContext, test } from 'node:test'
import { run } from './programs.ts'
import { DOWNLOAD_URLS, environment, startAttache } from './server.ts'

const SAMPLES = join(import.meta.dirname, '../samples')
const NAME = "发票 1+1 100%'.pdf"
const LIMIT_MS = 60_000
const MOST_LINES = 120

interface Sample {
  name: string
  command: [program: string, ...args: string[]]
  /** Ends with 0 where the sample can run. */
  probe: [program: string, ...args: string[]]
  /** Debian's. */
  packages: string
}

const ALL: Sample[] = [
  {
    name: 'curl.sh',
    command: ['sh', join(SAMPLES, 'curl.sh')],
    probe: ['curl', '--version'],
    packages: 'curl',
  },
  {
    name: 'typescript.ts',
    command: [process.execPath, '--conditions=@attache/source', join(SAMPLES, 'typescript.ts')],
    probe: [process.execPath, '--version'],
    packages: 'nodejs',
  },
  {
    name: 'python.py',
    command: ['python3', join(SAMPLES, 'python.py')],
    probe: ['python3', '--version'],
    packages: 'python3',
  },
  {
    name: 'go/main.go',
    command: ['go', 'run', join(SAMPLES, 'go/main.go')],
    probe: ['go', 'version'],
    packages: 'golang-go',
  },
  {
    name: 'java/Attache.java',
    command: ['java', join(SAMPLES, 'java/Attache.java')],
    probe: ['javac', '--version'],
    packages: 'default-jdk-headless',
  },
  {
    name: 'php/attache.php',
    command: ['php', join(SAMPLES, 'php/attache.php')],
    probe: ['php', '-r', 'exit(extension_loaded("curl") ? 0 : 1);'],
    packages: 'php-cli php-curl',
  },
]

const attache = await startAttache()
const directory = await mkdtemp(join(tmpdir(), 'attache-samples-'))
const faults = await startFaultyProxy()
after(async () => {
  faults.server.close()
  await attache.stop()
  await rm(directory, { recursive: true })
})
const bytes = randomBytes(300_000)
const md5 = hash('md5', bytes)
await writeFile(join(directory, NAME), bytes)

for (const sample of ALL) {
  const { name } = sample

  test(`${name} uploads, documents, reads back and saves a file, byte for byte`, async (t) => {
    if (!(await canRun(sample, t))) return
    const { code, stdout, stderr, saved, milliseconds } = await play(sample)
    assert.deepEqual([code, stdout, stderr], [0, `ok ${NAME} ${bytes.length} ${md5}\n`, ''])
    assert.deepEqual([...saved.keys()], [NAME])
    assert.ok(saved.get(NAME)?.equals(bytes))
    t.diagnostic(`${name}: ${milliseconds} ms`)
  })

  test(`${name} says that a key pair is wrong, and nothing of it`, async (t) => {
    if (!(await canRun(sample, t))) return
    const appSecurity = `${attache.appSecurity.slice(0, -3)}abc`
    const { code, stdout, stderr } = await play(sample, { ATTACHE_APP_SECURITY: appSecurity })
    assert.deepEqual([code, stdout], [1, ''])
    assert.match(stderr, /密钥无效/)
    assert.ok(!stderr.includes(appSecurity), stderr)
  })

  test(`${name} passes a proxy's plain words on`, async (t) => {
    if (!(await canRun(sample, t))) return
    const { code, stdout, stderr } = await play(sample, { ATTACHE_URL: `${faults.url}/no-upstream` })
    assert.deepEqual([code, stdout], [1, ''])
    assert.match(stderr, /no such upstream/)
  })

  test(`${name} keeps nothing of a download with a wrong byte`, async (t) => {
    if (!(await canRun(sample, t))) return
    const { code, stdout, stderr, saved } = await play(sample, { ATTACHE_URL: faults.url })
    assert.deepEqual([code, stdout, [...saved.keys()]], [1, '', []], stderr)
    assert.match(stderr, /MD5|CRC/)
    assert.doesNotMatch(stderr, /accessToken=|Signature=/)
  })
}

test('csharp/Program.cs', (t) => t.skip('not run: no .NET SDK here'))

test(`each sample is shorter than ${MOST_LINES} lines, comments and all`, async (t) => {
  const lengths = [...ALL.map(({ name }) => name), 'csharp/Program.cs'].map(async (name) => {
    const text = await readFile(join(SAMPLES, name), 'utf8')
    return { name, lines: text.split('\n').length - 1 }
  })
  const counted = await Promise.all(lengths)
  t.diagnostic(counted.map(({ name, lines }) => `${name} ${lines}`).join(', '))
  const tooLong = counted.filter(({ lines }) => lines >= MOST_LINES)
  assert.deepEqual(tooLong, [])
})

/** On a machine for the whole run a missing language is a mistake of that machine's recipe. */
async function canRun({ name, probe: [program, ...args], packages }: Sample, t: TestContext): Promise<boolean> {
  const can = await run(program, args).then(
    () => true,
    () => false,
  )
  if (can) return true
  const reason = `${name} needs ${program}: apt-get install ${packages}`
  if (process.env['CI'] === 'true') assert.fail(reason)
  t.skip(reason)
  return false
}

interface Played {
  code: number
  stdout: string
  stderr: string
  /** What lies in its downloads, by name. */
  saved: Map<string, Buffer>
  milliseconds: number
}

async function play({ command: [program, ...args] }: Sample, env: Record<string, string> = {}): Promise<Played> {
  const cwd = await mkdtemp(join(directory, 'cwd-'))
  const started = performance.now()
  const child = execFile(program, [...args, join(directory, NAME)], {
    cwd,
    timeout: LIMIT_MS,
    env: environment({
      ATTACHE_URL: attache.url,
      ATTACHE_APP_KEY: attache.appKey,
      ATTACHE_APP_SECURITY: attache.appSecurity,
      LC_ALL: 'C.UTF-8',
      // One for all runs, so that Go compiles once; and no word to the network.
      GOCACHE: join(directory, 'go-cache'),
      GOENV: 'off',
      GOPROXY: 'off',
      ...env,
    }),
  })
  const output = { stdout: '', stderr: '' }
  for (const stream of ['stdout', 'stderr'] as const) {
    child[stream]?.setEncoding('utf8').on('data', (text: string) => {
      output[stream] += text
    })
  }
  const [code, signal] = await once(child, 'close')
  assert.equal(signal, null, `${program} was ended after ${LIMIT_MS} ms: ${output.stderr}`)
  const milliseconds = Math.round(performance.now() - started)
  const downloads = join(cwd, 'downloads')
  const names = await readdir(downloads).catch(() => [])
  const saved = await Promise.all(names.map(async (name) => [name, await readFile(join(downloads, name))] as const))
  return { code, ...output, saved: new Map(saved), milliseconds }
}

/** Stands before the service: links lead through it, and one byte of what they give is another. */
async function startFaultyProxy() {
  const pass = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const { method = 'GET', url = '', headers } = request
    if (url.startsWith('/no-upstream')) {
      response.writeHead(404, { 'content-type': 'text/plain' }).end('no such upstream')
      return
    }
    const body = method === 'GET' ? null : await buffer(request)
    const answer = await fetch(attache.url + url, { method, body, headers: contentTypeOf(headers['content-type']) })
    const came = Buffer.from(await answer.arrayBuffer())
    response.writeHead(answer.status, {
      ...contentTypeOf(answer.headers.get('content-type')),
      'content-md5': answer.headers.get('content-md5') ?? '',
      ...(method === 'GET' && { 'content-length': came.length }),
    })
    if (url.startsWith(DOWNLOAD_URLS)) response.end(came.toString().replaceAll(attache.url, address()))
    else
      response.end(url.startsWith('/api/') ? came : Buffer.concat([Buffer.from([~(came[0] ?? 0)]), came.subarray(1)]))
  }
  const server = createServer((request, response) => {
    pass(request, response).catch((error) => response.destroy(error))
  })
  const address = () => `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  await once(server.listen(0, '127.0.0.1'), 'listening')
  return { server, url: address() }
}

function contentTypeOf(value: string | null | undefined): Record<string, string> {
  return value ? { 'content-type': value } : {}
}
