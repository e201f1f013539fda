/** A server of its own for a test file, as an operator starts one: the program, an empty data directory, a free port. */
import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as pause } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'

/** What `start --json` prints. */
export interface Facts {
  url: string
  bucket: string
  corporationId: string
  appKey: string
  appSecurity: string
  link: { accessKeyId: string; accessKeySecret: string; securityToken: string }
}

export interface Ref {
  id: string
  key: string
  expiration: number
}

export interface Link {
  id: string
  key: string
  url: string
  thumbUrl: string
}

export interface Uploaded {
  key: string
  fileId: string
  fileName: string
  empty: boolean
}

/** What a caller does; each must be answered 200. */
export interface Calls {
  token(): Promise<string>
  upload(name: string, bytes: Uint8Array<ArrayBuffer>): Promise<Uploaded>
  links(refs: readonly Ref[]): Promise<Link[]>
  /** Both links of one attachment, good for 1000 s. */
  linkOf(uploaded: Uploaded): Promise<Link>
}

export interface Attache extends Facts, Calls {
  data: string
  pid: number
  /** From the start of the process to its first line, in milliseconds. */
  readyMs: number
  /** The log so far, and what a crash printed. */
  stderr(): string
  /** SIGTERM; the process must end with 0. */
  stop(): Promise<void>
  /** SIGKILL; the data directory stays. */
  kill(): Promise<void>
}

export interface StartOptions {
  /** A directory that outlives this server; without it one is made, and removed by `stop`. */
  data?: string
  env?: Record<string, string>
}

export const UPLOAD = '/api/openapi/v2/attachment/upload'
export const DOWNLOAD_URLS = '/api/openapi/v2/attachment/downloadurls'
export const GET_ACCESS_TOKEN = '/api/openapi/v1/auth/getAccessToken'
export const PROGRAM = fileURLToPath(new URL('../packages/server/bin/attache-server.cjs', import.meta.url))

const PASSED_ON = ['PATH', 'HOME', 'TMPDIR']
const running = new Set<ChildProcess>()
process.on('exit', () => {
  for (const child of running) child.kill('SIGKILL')
})

/** None of this machine's own settings. */
export function environment(extra: Record<string, string> = {}): Record<string, string> {
  const kept = PASSED_ON.flatMap((name) => (process.env[name] === undefined ? [] : [[name, process.env[name]]]))
  return { ...Object.fromEntries(kept), LANG: 'C', ATTACHE_PORT: '0', ATTACHE_LOG_LEVEL: 'warn', ...extra }
}

export async function startAttache({ data: given, env = {} }: StartOptions = {}): Promise<Attache> {
  const data = given ?? (await mkdtemp(join(tmpdir(), 'attache-test-')))
  const started = performance.now()
  const child = spawn(process.execPath, [PROGRAM, 'start', '--json'], {
    env: environment({ ATTACHE_DATA: data, ...env }),
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  running.add(child)
  const gone = once(child, 'exit').finally(() => running.delete(child))
  let stderr = ''
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text
  })
  const lines = createInterface({ input: child.stdout })
  const first = await Promise.race([once(lines, 'line'), gone])
  const readyMs = performance.now() - started
  assert.equal(child.exitCode, null, `the server did not start: ${stderr}`)
  const facts: Facts = JSON.parse(String(first[0]))
  const calls = callsOf(facts)

  async function end(signal: 'SIGTERM' | 'SIGKILL'): Promise<void> {
    if (child.exitCode !== null || child.signalCode !== null) return
    child.kill(signal)
    const [code, by] = await gone
    if (signal === 'SIGTERM') assert.equal(code, 0, `SIGTERM ended the server with ${code ?? by}: ${stderr}`)
  }

  return {
    ...facts,
    ...calls,
    data,
    pid: child.pid ?? 0,
    readyMs,
    stderr: () => stderr,
    async stop() {
      await end('SIGTERM')
      if (given === undefined) await rm(data, { recursive: true, force: true })
    },
    kill: () => end('SIGKILL'),
  }
}

export function callsOf({ url, appKey, appSecurity }: Pick<Facts, 'url' | 'appKey' | 'appSecurity'>): Calls {
  const token = () => tokenFor(url, { appKey, appSecurity })
  const kept: { token?: Promise<string> } = {}
  const known = () => (kept.token ??= token())

  async function links(refs: readonly Ref[]): Promise<Link[]> {
    const response = await askLinks(url, await known(), refs)
    assert.equal(response.status, 200, await response.clone().text())
    return (await response.json()) as Link[]
  }

  return {
    token,
    links,
    async upload(name: string, bytes: Uint8Array<ArrayBuffer>): Promise<Uploaded> {
      const response = await postForm(url, await known(), formOf(name, bytes))
      assert.equal(response.status, 200, await response.clone().text())
      return ((await response.json()) as { value: Uploaded }).value
    },
    async linkOf({ fileId, key }: Uploaded): Promise<Link> {
      const [link] = await links([{ id: fileId, key, expiration: 1000 }])
      assert.ok(link, `no link for ${key}`)
      return link
    },
  }
}

export async function tokenFor(url: string, pair: { appKey: string; appSecurity: string }): Promise<string> {
  const { appKey, appSecurity } = pair
  const response = await fetch(url + GET_ACCESS_TOKEN, json({ appKey, appSecurity }))
  assert.equal(response.status, 200, await response.clone().text())
  return ((await response.json()) as { value: { accessToken: string } }).value.accessToken
}

/** `refs` may be any value, to ask for what the contract refuses. */
export function askLinks(url: string, token: string, refs: unknown): Promise<Response> {
  return fetch(`${url}${DOWNLOAD_URLS}?accessToken=${token}`, json(refs))
}

export function postForm(url: string, token: string, body: FormData): Promise<Response> {
  return fetch(`${url}${UPLOAD}?accessToken=${token}`, { method: 'POST', body })
}

export function formOf(name: string, bytes: Uint8Array<ArrayBuffer>): FormData {
  const form = new FormData()
  form.append('name', name)
  form.append('file', new Blob([bytes]), 'file')
  return form
}

function json(body: unknown): RequestInit {
  return { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) }
}

export async function bytesOf(response: Response): Promise<Buffer<ArrayBuffer>> {
  return Buffer.from(await response.arrayBuffer())
}

/** Reads the answer to its end: a body left unread keeps the connection busy, and a server that drains waits for it. */
export async function statusOf(address: string, options: RequestInit = {}): Promise<number> {
  const response = await fetch(address, options)
  await response.arrayBuffer()
  return response.status
}

/** Asks again and again until `check` gives something; fails at the deadline. */
export async function until<T>(deadlineMs: number, check: () => Promise<T | undefined>): Promise<T> {
  const started = performance.now()
  for (;;) {
    const found = await check()
    if (found !== undefined) return found
    assert.ok(performance.now() - started < deadlineMs, `nothing came of it within ${deadlineMs} ms`)
    await pause(20)
  }
}
