import { once } from 'node:events'
import { open, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { plainEnvironment, type Stage } from './stage.ts'

/** The first line of `start --json`. */
interface Facts {
  url: string
  bucket: string
  appKey: string
  appSecurity: string
  link: LinkPair
}

export interface LinkPair {
  accessKeyId: string
  accessKeySecret: string
  securityToken: string
}

export interface Item {
  id: string
  key: string
}

export interface Attache extends Facts {
  pid: number
  /** The path of downloadurls, with an access token in it. */
  downloadUrls: string
  upload(name: string, bytes: Uint8Array<ArrayBuffer>): Promise<Item>
  links(items: readonly Item[]): Promise<{ key: string; url: string; thumbUrl: string }[]>
  /** Ends it as an operator would. */
  stop(): Promise<void>
  /** From the start of the process until it said that it listens. */
  readyMs: number
}

const PROGRAM = fileURLToPath(new URL('../packages/server/bin/attache-server.cjs', import.meta.url))
export const EXPIRATION_SECONDS = 86_400

/** The service as in production: a process of its own, strict durability, its log at `info` written to a file. */
export async function startAttache(stage: Stage, env: Record<string, string> = {}): Promise<Attache> {
  const data = env['ATTACHE_DATA'] ?? join(stage.directory, 'data')
  const logFile = `${data}.log`
  const log = await open(logFile, 'w')
  const settings = { ATTACHE_PORT: '0', ATTACHE_DATA: data, ATTACHE_LOG_LEVEL: 'info', ...env }
  const started = performance.now()
  const child = stage.start(process.execPath, [...profiling(), PROGRAM, 'start', '--json'], {
    env: plainEnvironment(settings),
    stdio: ['ignore', 'pipe', log.fd],
  })
  await log.close()
  if (child.stdout === null) throw new Error('the server has no stdout')
  const lines = createInterface({ input: child.stdout })
  const first = await Promise.race([once(lines, 'line'), once(child, 'exit').then(() => undefined)])
  if (first === undefined) throw new Error(`the server did not start: ${await readFile(logFile, 'utf8')}`)
  const readyMs = performance.now() - started
  const facts: Facts = JSON.parse(String(first[0]))
  const stop = async () => {
    const gone = once(child, 'exit')
    child.kill('SIGTERM')
    await gone
  }
  return { ...facts, pid: child.pid ?? 0, readyMs, stop, ...(await callsOf(facts)) }
}

/** `BENCH_PROFILE=DIRECTORY` leaves a CPU profile of every server there. */
function profiling(): string[] {
  const directory = process.env['BENCH_PROFILE']
  return directory ? ['--cpu-prof', `--cpu-prof-dir=${directory}`] : []
}

async function callsOf({ url, appKey, appSecurity }: Facts) {
  const { value } = await post<{ value: { accessToken: string } }>(`${url}/api/openapi/v1/auth/getAccessToken`, {
    appKey,
    appSecurity,
  })
  const api = `${url}/api/openapi/v2/attachment`
  const query = `?accessToken=${value.accessToken}`
  return {
    downloadUrls: `${new URL(`${api}/downloadurls`).pathname}${query}`,
    async upload(name: string, bytes: Uint8Array<ArrayBuffer>): Promise<Item> {
      const form = new FormData()
      form.append('name', name)
      form.append('file', new Blob([bytes]), 'file')
      const answer = await read<{ value: { key: string; fileId: string } }>(
        await fetch(`${api}/upload${query}`, { method: 'POST', body: form }),
      )
      return { id: answer.value.fileId, key: answer.value.key }
    },
    links: (items: readonly Item[]) =>
      post<{ key: string; url: string; thumbUrl: string }[]>(`${api}/downloadurls${query}`, asked(items)),
  }
}

/** The body of downloadurls. */
export function asked(items: readonly Item[]) {
  return items.map(({ id, key }) => ({ id, key, expiration: EXPIRATION_SECONDS }))
}

async function post<T>(url: string, body: object): Promise<T> {
  const headers = { 'content-type': 'application/json' }
  return read<T>(await fetch(url, { method: 'POST', headers, body: JSON.stringify(body) }))
}

async function read<T>(response: Response): Promise<T> {
  const text = await response.text()
  if (!response.ok) throw new Error(`${response.url.split('?')[0]} answered ${response.status}: ${text}`)
  return JSON.parse(text) as T
}

/** Uploads `count` files, eight at a time, under names such as a Chinese company gives them. */
export async function uploadMany(
  { upload }: Pick<Attache, 'upload'>,
  count: number,
  bytes: Uint8Array<ArrayBuffer>,
): Promise<Item[]> {
  const items: Item[] = []
  for (let from = 0; from < count; from += 8) {
    const names = Array.from({ length: Math.min(8, count - from) }, (_, i) => `差旅发票-${from + i}.pdf`)
    items.push(...(await Promise.all(names.map((name) => upload(name, bytes)))))
  }
  return items
}
