/** C1: 5,000 hostile strings as names, keys, ids, codes and paths, the best known in each of these places: nothing outside the data directory is read or written. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { mkdir, writeFile } from 'node:fs/promises'
import { join, relative, resolve } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { PATHS } from '../../packages/protocol/src/index.ts'
import { type Attache, bytesOf, startAttache, UPLOAD, type Uploaded } from '../server.ts'
import { signatureOf } from '../v1-signer.ts'
import { exchange } from './b-wire.ts'
import { hostileNames, WHOLE } from './c-hostile-names.ts'
import { NotHere, row, type Stage, type Verdict } from './stage.ts'

const CANARY = 'canary-that-nobody-may-read'
const AT_ONCE = 16
/** What no answer may hold: a file beside the data directory, one of the machine, the database. */
const NEVER_TOLD = [CANARY, 'root:x:0:', 'SQLite format 3']
/** Where the runtime and its libraries read now and then, by no name that came from outside: usual work need not come to it. */
const OF_THE_RUNTIME = /^\/(proc|sys|usr|lib\w*)\//
/** What the strings ask for; never excused, whoever reads it. */
const ASKED_FOR = /^\/(etc\/passwd|proc\/self\/environ|dev\/zero)$|secret\.txt|id_rsa|boot\.ini|win\.ini/
const CODE = resolve(import.meta.dirname, '../..')
const OF_OURS =
  /^(blobs(\/[\da-f]{2}(\/[\da-f]{32})?)?|tmp(\/[\da-f]{32}|\/check-[\da-f]+)?|thumbnails(\/.*)?|audit(\/.*|-.*|\..*)?|scan.*|records\.sqlite(-wal|-shm|-journal)?|serving\.lock(-journal|-wal|-shm)?|root\.secret|demo\.json|)$/

async function prove(stage: Stage): Promise<Verdict> {
  if (!existsSync('/usr/bin/strace')) throw new NotHere('no strace: apt-get install strace')
  const data = join(stage.directory, 'data')
  await mkdir(data)
  await writeFile(join(stage.directory, 'secret.txt'), CANARY)
  const attache = await startAttache({ data, env: { ATTACHE_DURABILITY: 'relaxed' } })
  stage.defer(() => attache.stop())
  const told = [...NEVER_TOLD, readFileSync(join(data, 'root.secret'), 'latin1').trim()]
  const usual = pathsIn(await traced(attache.pid, join(stage.directory, 'usual'), () => warmUp(attache))).filter(
    ({ path, writes }) => !writes && !ASKED_FOR.test(path),
  )
  const excused = new Set(usual.map(({ path }) => path))
  let found: Found | undefined
  const trace = await traced(attache.pid, join(stage.directory, 'trace'), async () => {
    found = await attack(attache, { ...stage, told })
  })
  if (found === undefined) throw new Error('nothing was tried')
  const outside = accessesOutside(pathsIn(trace), { data, excused })
  const strange = readdirSync(data, { recursive: true, encoding: 'utf8' }).filter((name) => !OF_OURS.test(name))
  if (found.faults.length > 0) console.log(attache.stderr().slice(0, 3000))
  for (const line of [...outside, ...strange, ...found.faults].slice(0, 20)) console.log(line)
  const figure = `${found.strings} strings in ${found.requests} requests, ${WHOLE.length} of them in each of ${PLACES.length + 1} places: ${outside.length} accesses outside the root that usual work has not, ${strange.length} files of other names in it, ${found.faults.length} answers 5xx or with what they asked for; ${found.kept} stored, ${found.collisions} mixed up`
  const ok = outside.length + strange.length + found.faults.length + found.collisions === 0 && found.kept > 100
  return { ok, figure }
}

/** Each place that a string can stand in is used as callers use it, twice: what loads late has been loaded then, and what is read each time is known. */
async function warmUp(attache: Attache): Promise<void> {
  const token = await attache.token()
  for (const turn of ['a', 'b']) {
    const uploaded = await attache.upload(`${turn}.png`, Buffer.from('x'))
    const { url, thumbUrl } = await attache.linkOf(uploaded)
    for (const address of [url, thumbUrl]) await (await fetch(address)).arrayBuffer()
    for (const [, ask] of PLACES) await ask(attache, { token, name: `usual-${turn}` })
  }
}

/** What `work` made the process do with files. */
async function traced(pid: number, file: string, work: () => Promise<void>): Promise<string> {
  const words = ['-f', '-qq', '-s', '4096', '-e', 'trace=%file,rename,renameat2', '-o', file, '-p', String(pid)]
  const tracer = spawn('strace', words)
  const ended = once(tracer, 'close')
  const deadline = performance.now() + 10_000
  while (!/TracerPid:\t[1-9]/.test(readFileSync(`/proc/${pid}/status`, 'latin1'))) {
    if (performance.now() > deadline) throw new NotHere('strace may not attach to a process here')
    await pause(20)
  }
  await work()
  await pause(500)
  tracer.kill('SIGINT')
  await ended
  return readFileSync(file, 'latin1')
}

interface Access {
  path: string
  writes: boolean
  line: string
}

function pathsIn(trace: string): Access[] {
  return trace.split('\n').flatMap((line) => {
    const writes = /O_WRONLY|O_RDWR|O_CREAT|rename|unlink|mkdir|link|chmod|truncate/.test(line)
    // An empty path with AT_EMPTY_PATH is a file that is open already.
    return [...line.matchAll(/(?<!\\)"((?:[^"\\]|\\.)*)"/g)]
      .filter(([, quoted]) => quoted !== '')
      .map(([, quoted = '']) => ({ path: resolve(CODE, unquoted(quoted)), writes, line }))
  })
}

function unquoted(quoted: string): string {
  const bytes = quoted.replace(/\\(\d{1,3})/g, (_, octal) => String.fromCharCode(Number.parseInt(octal, 8)))
  return Buffer.from(bytes, 'latin1').toString('utf8')
}

/** What is neither the data directory's own nor was read in usual work as well. */
function accessesOutside(
  accesses: readonly Access[],
  { data, excused }: { data: string; excused: ReadonlySet<string> },
): string[] {
  const found = accesses.filter(({ path, writes }) => {
    const inside = !relative(data, path).startsWith('..')
    if (inside) return !OF_OURS.test(relative(data, path))
    const isUsual = excused.has(path) || (OF_THE_RUNTIME.test(path) && !ASKED_FOR.test(path))
    return writes || !isUsual
  })
  return [
    ...new Set(
      found.map(({ path, writes, line }) => `${writes ? 'written' : 'read'}: ${path} (${line.slice(0, 200)})`),
    ),
  ]
}

interface Found {
  strings: number
  requests: number
  kept: number
  collisions: number
  faults: string[]
}

async function attack(attache: Attache, { random, full, told }: Stage & { told: readonly string[] }): Promise<Found> {
  const found: Found = { strings: 0, requests: 0, kept: 0, collisions: 0, faults: [] }
  const names = hostileNames(random)
  const token = await attache.token()
  const kept: { uploaded: Uploaded; content: string; name: string }[] = []
  const wanted = full ? 100_000 : 5000

  async function judge(what: string, name: string, response: { status: number; text: string }): Promise<void> {
    found.requests++
    if (response.status >= 500 || told.some((secret) => response.text.includes(secret)))
      found.faults.push(
        `${what} ${JSON.stringify(name.slice(0, 80))}: ${response.status} ${response.text.slice(0, 200)}`,
      )
  }

  async function one(name: string, turn: number): Promise<void> {
    const content = `${turn} ${name}`
    const stored = await sent(attache, token, { name, content })
    await judge('upload', name, stored)
    if (stored.status === 200) kept.push({ uploaded: JSON.parse(stored.text).value, content, name })
    const places = turn < WHOLE.length ? PLACES : PLACES.slice(turn % PLACES.length, (turn % PLACES.length) + 1)
    for (const [what, ask] of places) await judge(what, name, await ask(attache, { token, name }))
  }

  async function worker(): Promise<void> {
    while (found.strings < wanted) {
      const turn = found.strings++
      await one(names.next().value ?? '', turn)
    }
  }
  await Promise.all(Array.from({ length: AT_ONCE }, worker))
  found.kept = kept.length
  if (new Set(kept.map(({ uploaded }) => uploaded.key)).size !== kept.length) found.collisions++
  const links = await attache.links(kept.map(({ uploaded: { fileId: id, key } }) => ({ id, key, expiration: 1000 })))
  for (const [index, { uploaded, content, name }] of kept.entries()) {
    const sentName = name.toWellFormed()
    if (uploaded.fileName !== sentName || !uploaded.key.endsWith(`-${sentName}`)) found.collisions++
    if (index % 4 !== 0 && !full) continue
    const got = await bytesOf(await fetch(links[index]?.url ?? ''))
    if (got.toString() !== content.toWellFormed()) found.collisions++
  }
  return found
}

interface Hostile {
  token: string
  name: string
}

type Place = (attache: Attache, hostile: Hostile) => Promise<{ status: number; text: string }>

const PLACES: [string, Place][] = [
  [
    'key of downloadurls',
    (attache, { token, name }) =>
      json(attache, `${PATHS.downloadUrls}?accessToken=${token}`, [{ id: name || 'x', key: name, expiration: 1 }]),
  ],
  [
    'id of downloadurls',
    (attache, { token, name }) =>
      json(attache, `${PATHS.downloadUrls}?accessToken=${token}`, [{ id: name, key: 'x', expiration: 1 }]),
  ],
  [
    'signed key',
    (attache, { name }) =>
      got(
        attache,
        `/${attache.bucket}/${encodeURIComponent(name.toWellFormed())}?${signed(attache, name.toWellFormed())}`,
      ),
  ],
  [
    'signed key with its slashes',
    (attache, { name }) => {
      const key = name.toWellFormed()
      const path = encodeURIComponent(key).replaceAll('%2F', '/')
      return got(attache, `/${attache.bucket}/${path}?${signed(attache, key)}`)
    },
  ],
  [
    'path',
    (attache, { name }) =>
      got(attache, `/${name.replace(/[\s\0-\x1f\x7f-\uffff]/g, (c) => encodeURIComponent(c.toWellFormed()))}`),
  ],
  [
    'path of the API',
    (attache, { token, name }) => got(attache, `/api/${encodeURI(name.toWellFormed())}?accessToken=${token}`),
  ],
  [
    'process',
    (attache, { name }) =>
      got(attache, `/${attache.bucket}/x?x-oss-process=${encodeURIComponent(name.toWellFormed())}`),
  ],
  [
    'code of a document',
    (attache, { token, name }) =>
      json(attache, `${PATHS.createDocument}?accessToken=${token}`, { form: { code: name, title: name } }),
  ],
  [
    'code asked for',
    (attache, { token, name }) =>
      got(attache, `${PATHS.documentByCode}?accessToken=${token}&code=${encodeURIComponent(name.toWellFormed())}`),
  ],
  [
    'id of a document',
    (attache, { token, name }) =>
      got(attache, `${PATHS.document}?accessToken=${token}&flowId=${encodeURIComponent(name.toWellFormed())}`),
  ],
  [
    'token',
    (attache, { name }) => got(attache, `${PATHS.document}?accessToken=${encodeURIComponent(name.toWellFormed())}`),
  ],
  ['appKey', (attache, { name }) => json(attache, PATHS.getAccessToken, { appKey: name, appSecurity: name })],
]

async function json(attache: Attache, path: string, body: unknown): Promise<{ status: number; text: string }> {
  const headers = { 'content-type': 'application/json' }
  const response = await fetch(attache.url + path, { method: 'POST', headers, body: JSON.stringify(body) })
  return { status: response.status, text: await response.text() }
}

/** By hand: `fetch` would take the dots out of a path. */
async function got(attache: Attache, target: string): Promise<{ status: number; text: string }> {
  const { port, host } = new URL(attache.url)
  const request = `GET ${target} HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`
  const answers = await exchange(Number(port), Buffer.from(request, 'latin1'))
  const text = answers.map(({ head, body }) => head + body.toString('latin1')).join('')
  return { status: Math.max(0, ...answers.map(({ status }) => status)), text }
}

function signed({ bucket, link }: Attache, key: string): string {
  const expires = String(Math.ceil(Date.now() / 1000) + 60)
  const subs: [string, string][] = [['security-token', link.securityToken]]
  return new URLSearchParams({
    Expires: expires,
    OSSAccessKeyId: link.accessKeyId,
    Signature: signatureOf(link.accessKeySecret, { bucket, key, expires, signed: subs }),
    'security-token': link.securityToken,
  }).toString()
}

/** The string as the name, and as the file name that a browser would send with the file. */
async function sent(
  attache: Attache,
  token: string,
  { name, content }: { name: string; content: string },
): Promise<{ status: number; text: string }> {
  const quoted = name.replace(/[\r\n"]/g, (character) => encodeURIComponent(character))
  const body = [
    '--edge\r\nContent-Disposition: form-data; name="name"\r\n\r\n',
    name,
    `\r\n--edge\r\nContent-Disposition: form-data; name="file"; filename="${quoted}"\r\n\r\n`,
    content,
    '\r\n--edge--\r\n',
  ].join('')
  const headers = { 'content-type': 'multipart/form-data; boundary=edge' }
  const response = await fetch(`${attache.url}${UPLOAD}?accessToken=${token}`, { method: 'POST', headers, body })
  return { status: response.status, text: await response.text() }
}

await row('C1', prove)
