/** F5: secrets in every place where a caller may put one, each made to fail; none may stand in what the service writes. */
import { spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { rm, writeFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import {
  type Attache,
  DOWNLOAD_URLS,
  environment,
  formOf,
  GET_ACCESS_TOKEN,
  PROGRAM,
  postForm,
  startAttache,
  UPLOAD,
  until,
} from '../server.ts'
import { verb } from '../verbs.ts'
import { auditText } from './audit-lines.ts'
import { row, type Stage } from './stage.ts'

const KINDS = ['accessToken', 'refreshToken', 'appSecurity', 'Signature', 'security-token', 'cookie', 'Authorization']
const CRASHED = 'caught by nobody'
/** Given to the server's Node: a timer of nobody's that throws, in its cause and its fields as well. */
const PRELOAD = `import { readFileSync } from 'node:fs'
const words = readFileSync(process.env.WORDS, 'utf8')
process.on('SIGWINCH', () => setTimeout(() => {
  throw new Error(words, { cause: Object.assign(new Error(words), { headers: words }) })
}, 1))`
const PATHS = [
  GET_ACCESS_TOKEN,
  '/api/openapi/v2/auth/refreshToken',
  UPLOAD,
  DOWNLOAD_URLS,
  '/api/openapi/v1/docs/$x',
  '/api/none',
  '/readyz',
  '/attache/openapi-none.jpg',
  '/metrics',
]
/** As OSS does, a refused signature tells its caller what was signed; that is all it tells. */
const TOLD_TO_THE_CALLER =
  /<(StringToSign|CanonicalRequest|SignatureProvided|OSSAccessKeyId|StringToSignBytes|CanonicalRequestBytes|SecurityToken)>[^<]*<\/\1>/g

await row('F5', async (stage) => {
  const data = join(stage.directory, 'data')
  const attache = await startAttache({ data, env: { ATTACHE_LOG_LEVEL: 'debug' } })
  stage.defer(() => attache.kill())
  const canaries = new Map<string, string>()
  const canary = (where: string) => {
    const value = `canary${randomBytes(12).toString('hex')}`
    canaries.set(value, where)
    return value
  }
  const bodies: string[] = []
  let [asked, toldToCallers] = [0, 0]
  const keep = (body: string) => {
    asked++
    toldToCallers += body.match(TOLD_TO_THE_CALLER)?.length ?? 0
    bodies.push(body.replace(TOLD_TO_THE_CALLER, ''))
  }
  const ask = async (address: string, options: RequestInit = {}) =>
    keep(await (await fetch(attache.url + address, options)).text())

  for (const path of PATHS) {
    for (const kind of KINDS) {
      const secret = (place: string) => canary(`${kind} in the ${place} of ${path}`)
      for (const method of ['GET', 'POST']) {
        await ask(`${path}?${kind}=${secret('query')}`, { method })
        await ask(path, { method, headers: { [kind]: secret('header'), authorization: `Bearer ${secret('bearer')}` } })
        await ask(path, { method, headers: { authorization: `OSS ${secret('key id')}:${secret('OSS header')}` } })
        await ask(path, { method, headers: { authorization: `Basic ${btoa(`a:${secret('basic')}`)}` } })
      }
      await ask(path, json(`{"${kind}":"${secret('body')}","appKey":"demo"}`))
      await ask(path, json(`{"${kind}":"${secret('broken body')}`))
      await ask(path, json(`[{"${kind}":"${secret('item')}","id":3}]`))
      await ask(path, multipart(`name="${kind}"`, secret('part')))
      await ask(path, multipart(`name="name"; ${kind}="${secret('part header')}"`, 'x', false))
      await ask(`${path}/${kind}=${secret('path')}`, { method: 'POST' })
      // What follows the bucket is the name of an object, which is written down as such.
      if (path.startsWith('/api/')) await ask(`${path}/${secret('bare path')}`, { method: 'DELETE' })
      keep(await raw(attache, `GET ${path}?${kind}=${secret('bad request')} HTTP/9.9\r\n\r\n`))
      keep(
        await raw(attache, `GET ${path} HTTP/1.1\r\nHost: x\r\n${kind}: ${secret('bad header')}\r\nbad header\r\n\r\n`),
      )
    }
  }
  for (const [name, value] of await realSecrets(attache, keep)) canaries.set(value, name)
  canaries.set(await startThatFails(stage.directory, keep), 'root secret of a start that fails')
  const crashed = await crash(stage, canary)
  keep(await (await fetch(`${attache.url}/metrics`)).text())
  await attache.stop()

  const written = {
    'the log': attache.stderr(),
    'an answer': bodies.join('\n'),
    'the audit log': await auditText(data),
    'what a crash printed': crashed.join('\n'),
  }
  const found: string[] = []
  for (const [secret, where] of canaries) {
    for (const spelling of spellings(secret)) {
      for (const [place, words] of Object.entries(written)) {
        if (words.includes(spelling)) found.push(`${where} in ${place}`)
      }
    }
  }
  for (const line of new Set(found)) console.log(`found: ${line}`)
  const figure = `${canaries.size} secrets in ${asked} requests, log at debug: ${found.length} found in log, audit log, metrics, answers and what a crash printed (${toldToCallers} fields that OSS tells the caller who sent them)`
  const logged = written['the log'].includes('"msg":"request"') && crashed.every((words) => words.includes(CRASHED))
  return { ok: found.length === 0 && logged, figure }
})

function json(body: string): RequestInit {
  return { method: 'POST', headers: { 'content-type': 'application/json' }, body }
}

function multipart(disposition: string, value: string, ends = true): RequestInit {
  const body = `--b\r\nContent-Disposition: form-data; ${disposition}\r\n\r\n${value}${ends ? '\r\n--b--\r\n' : ''}`
  return { method: 'POST', headers: { 'content-type': 'multipart/form-data; boundary=b' }, body }
}

/** A throw that nobody catches, in the words of which secrets stand as they do in addresses, headers and bodies. */
async function crash(stage: Stage, canary: (where: string) => string): Promise<string[]> {
  const preload = join(stage.directory, 'preload.mjs')
  const words = join(stage.directory, 'words')
  const secrets = KINDS.flatMap((kind) => {
    const secret = (how: string) => canary(`${kind} ${how} in the words of a crash`)
    return [
      `/x?${kind}=${secret('in an address')}`,
      `${kind}: ${secret('in a header')}`,
      JSON.stringify({ [kind]: secret('in a body') }),
      JSON.stringify(JSON.stringify({ [kind]: secret('quoted twice') })),
    ]
  })
  await writeFile(words, [CRASHED, ...secrets].join('\n'))
  await writeFile(preload, PRELOAD)
  const printed: string[] = []
  for (const when of ['amid its start', 'while it serves']) {
    const data = join(stage.directory, `crashed ${when}`)
    const env = environment({ ATTACHE_DATA: data, NODE_OPTIONS: `--import=${preload}`, WORDS: words })
    const child = spawn(process.execPath, [PROGRAM, 'start', '--json'], { env, stdio: ['ignore', 'pipe', 'pipe'] })
    stage.defer(() => child.kill('SIGKILL'))
    const said = text(child.stderr)
    const [late, ended] = [setTimeout(() => child.kill('SIGKILL'), 20_000), once(child, 'exit')]
    if (when === 'while it serves') await once(child.stdout, 'data')
    else await until(10_000, async () => existsSync(join(data, 'records.sqlite')) || undefined)
    child.kill('SIGWINCH')
    await ended
    clearTimeout(late)
    printed.push(await said)
  }
  return printed
}

async function raw({ url }: Attache, request: string): Promise<string> {
  const { hostname, port } = new URL(url)
  const socket = connect(Number(port), hostname)
  socket.end(request)
  return text(socket).catch(() => '')
}

/** Those that work, in requests that fail behind the check of them. */
async function realSecrets(attache: Attache, keep: (body: string) => void): Promise<[string, string][]> {
  const { url, appKey, appSecurity, link } = attache
  const answer = await fetch(url + GET_ACCESS_TOKEN, json(JSON.stringify({ appKey, appSecurity })))
  const { value } = (await answer.json()) as { value: { accessToken: string; refreshToken: string } }
  const token = value.accessToken
  keep(await (await postForm(url, token, formOf('a/b.pdf', Buffer.from('x')))).text())
  keep(await (await fetch(`${url}${DOWNLOAD_URLS}?accessToken=${token}`, json('[{"id":'))).text())
  keep(await (await fetch(`${url}${DOWNLOAD_URLS}?accessToken=${token}`, { method: 'PUT' })).text())
  const { url: address, thumbUrl } = await attache.linkOf(await attache.upload('gone.bin', randomBytes(100_000)))
  // A fault: the bytes are gone.
  await rm(join(attache.data, 'blobs'), { recursive: true })
  keep(await (await fetch(address)).text())
  keep(await (await fetch(thumbUrl)).text())
  keep(await (await fetch(address.replace('Signature=', 'Signature=A'))).text())
  keep(await (await postForm(url, token, formOf('fault.pdf', Buffer.from('x')))).text())
  const signatures = [address, thumbUrl].map((one) => new URL(one).searchParams.get('Signature') ?? '')
  return [
    ['accessToken', token],
    ['refreshToken', value.refreshToken],
    ['appSecurity', appSecurity],
    ['accessKeySecret', link.accessKeySecret],
    ['security-token', link.securityToken],
    ...signatures.map((signature): [string, string] => ['Signature', signature]),
  ]
}

/** Gives the secret that its words must not hold. */
async function startThatFails(directory: string, keep: (words: string) => void): Promise<string> {
  const secret = `canary${randomBytes(8).toString('hex')}`
  const file = join(directory, 'short.secret')
  await writeFile(file, secret)
  for (const env of [
    { ATTACHE_ROOT_SECRET_FILE: file },
    { ATTACHE_DATABASE_URL: `postgres://user:${secret}@127.0.0.1:1/none` },
    { ATTACHE_DATABASE_URL: `not a url ${secret}` },
  ]) {
    const { stdout, stderr } = await verb(['serve'], { env: { ATTACHE_DATA: join(directory, 'none'), ...env } })
    keep(stdout + stderr)
  }
  return secret
}

/** As it is, percent-encoded, and the part of each of its three spellings in base64 that what stands around it can't change. */
function spellings(secret: string): string[] {
  const shifted = [0, 1, 2].map((shift) => {
    const encoded = Buffer.from('x'.repeat(shift) + secret).toString('base64')
    return encoded.slice(shift === 0 ? 0 : 4, -4)
  })
  const everyByte = [...Buffer.from(secret)].map((byte) => `%${byte.toString(16).toUpperCase()}`).join('')
  return [...new Set([secret, encodeURIComponent(secret), decodeURIComponent(secret), everyByte, ...shifted])]
}
