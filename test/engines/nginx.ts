/** nginx from Debian's packages with the sample of deploy/, its addresses and paths replaced by those of a test. */
import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir, userInfo } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'

export interface Nginx {
  url: string
  log(): Promise<string>
  stop(): Promise<void>
}

export interface NginxOptions {
  /** `host:port` of each node. */
  nodes: string[]
  /** The data directory whose files it sends. */
  data?: string
  /** Its own port, where links must name it before it starts. */
  port?: number
}

const SAMPLE = new URL('../../deploy/nginx.conf', import.meta.url)
const BINARY = '/usr/sbin/nginx'

/** A sentence when there is none here, and none can be had. */
export function nginxMissing(): string | undefined {
  if (existsSync(BINARY)) return undefined
  try {
    const quiet = { stdio: 'ignore', env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' } } as const
    execFileSync('apt-get', ['update', '-qq'], quiet)
    execFileSync('apt-get', ['install', '-y', '-qq', '--no-install-recommends', 'nginx-light'], quiet)
    return existsSync(BINARY) ? undefined : 'apt-get installed no nginx'
  } catch {
    return 'no nginx here, and apt-get install nginx-light failed'
  }
}

export async function startNginx({ nodes, data, port }: NginxOptions): Promise<Nginx> {
  const directory = await mkdtemp(join(tmpdir(), 'attache-nginx-'))
  const listening = port ?? (await freePort())
  const sample = await readFile(SAMPLE, 'utf8')
  const servers = nodes.map((node) => `server ${node} max_fails=1 fail_timeout=1s;`).join(' ')
  const conf = sample
    .replace('user attache;', `user ${userInfo().username};\ndaemon off;`)
    .replace('listen 80;', `listen 127.0.0.1:${listening};`)
    .replace('server 127.0.0.1:8700 max_fails=1 fail_timeout=1s;', servers)
    .replace('/var/lib/attache/', `${data ?? directory}/`)
    .replaceAll('/var/log/nginx/', `${directory}/`)
    .replace('/run/nginx.pid', join(directory, 'nginx.pid'))
    .replace('http {', `http {\n${TEMPORARY.map((name) => `  ${name}_temp_path ${join(directory, name)};`).join('\n')}`)
  await writeFile(join(directory, 'nginx.conf'), conf)
  const child = spawn(BINARY, ['-e', join(directory, 'error.log'), '-c', join(directory, 'nginx.conf')], {
    stdio: ['ignore', 'inherit', 'inherit'],
  })
  const gone = once(child, 'exit')
  const url = `http://127.0.0.1:${listening}`
  for (let tries = 0; !(await fetch(url).catch(() => undefined)); tries++) {
    if (tries > 100 || child.exitCode !== null) throw new Error('nginx does not answer')
    await pause(50)
  }
  return {
    url,
    log: () => readFile(join(directory, 'access.log'), 'utf8'),
    async stop() {
      child.kill('SIGTERM')
      await gone
      await rm(directory, { recursive: true, force: true })
    },
  }
}

const TEMPORARY = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']

export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as { port: number }
  server.close()
  await once(server, 'close')
  return port
}
