import { mkdir, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import type { Stage } from './stage.ts'

export interface Nginx {
  url: string
  pid: number
}

/** nginx with one process and sendfile, serving `bytes` at `/file`. */
export async function startNginx(stage: Stage, bytes: Uint8Array): Promise<Nginx> {
  const prefix = join(stage.directory, 'nginx')
  await mkdir(prefix)
  await writeFile(join(prefix, 'file'), bytes)
  const port = await freePort()
  await writeFile(join(prefix, 'nginx.conf'), configuration(prefix, port))
  const child = stage.start('nginx', ['-p', prefix, '-e', 'stderr', '-c', 'nginx.conf'], {
    stdio: ['ignore', 'ignore', 'inherit'],
  })
  const url = `http://127.0.0.1:${port}`
  for (let tries = 0; !(await answers(`${url}/file`)); tries++) {
    if (tries > 100 || child.exitCode !== null) throw new Error('nginx did not start')
    await pause(50)
  }
  return { url, pid: child.pid ?? 0 }
}

/** One process without a master, so that its pid is the one whose CPU counts. */
function configuration(prefix: string, port: number): string {
  const unused = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
  return `daemon off;
master_process off;
worker_processes 1;
pid ${prefix}/nginx.pid;
events { worker_connections 1024; }
http {
  access_log off;
  sendfile on;
  keepalive_requests 1000000000;
  ${unused.map((name) => `${name}_temp_path ${prefix}/${name};`).join('\n  ')}
  server {
    listen 127.0.0.1:${port};
    root ${prefix};
  }
}
`
}

async function answers(url: string): Promise<boolean> {
  try {
    return (await fetch(url, { method: 'HEAD' })).ok
  } catch (error) {
    if (error instanceof TypeError) return false
    throw error
  }
}

async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  await new Promise((resolve) => server.close(resolve))
  if (address === null || typeof address === 'string') throw new Error('no port is free')
  return address.port
}
