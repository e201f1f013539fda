/** A private PostgreSQL from Debian's packages, as its own user, on a free port. */
import assert from 'node:assert/strict'
import { execFile, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readdirSync } from 'node:fs'
import { appendFile, chmod, mkdtemp, readFile, readlink, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { promisify } from 'node:util'
import { freePort } from './nginx.ts'

export interface PostgresEngine {
  /** `ATTACHE_TEST_DATABASE_URL`: a user who may make databases, without a password. */
  environment: Record<string, string>
  version: string
  url: string
  /** Starts what `halt` ended, with the data as they were. */
  start(): Promise<void>
  /** `immediate`: as a crash would leave it. */
  halt(): Promise<void>
  /** SIGKILL for all of its processes, as where the power went. */
  kill(): Promise<void>
  /** All of its processes stand still, and its port goes on taking connections. */
  freeze(): Promise<void>
  thaw(): Promise<void>
  /** Ends it and removes its data. */
  stop(): Promise<void>
}

export interface PostgresOptions {
  /** Lines of postgresql.conf. */
  settings?: string[]
  /** Run in the data directory before the first start. */
  prepare?: (directory: string) => Promise<void>
  /** Where its directory is made. */
  under?: string
}

const PACKAGES = '/usr/lib/postgresql'
// Nothing here outlives a test, so nothing waits for the disk.
const SETTINGS = ["listen_addresses = '127.0.0.1'", 'fsync = off', 'synchronous_commit = off', 'full_page_writes = off']
const run = promisify(execFile)

/** A sentence when there is none here, and none can be had. */
export function postgresMissing(): string | undefined {
  if (process.getuid?.() !== 0) return 'PostgreSQL is started as the user postgres, which takes root'
  if (binaries() !== undefined) return undefined
  try {
    const quiet = { stdio: 'ignore', env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' } } as const
    execFileSync('apt-get', ['update', '-qq'], quiet)
    const waiting = ['-o', 'DPkg::Lock::Timeout=300']
    execFileSync('apt-get', [...waiting, 'install', '-y', '-qq', '--no-install-recommends', 'postgresql'], quiet)
    return binaries() === undefined ? 'apt-get installed no PostgreSQL' : undefined
  } catch {
    return 'no PostgreSQL here, and apt-get install postgresql failed'
  }
}

/** The newest of those installed. */
function binaries(): string | undefined {
  const versions = existsSync(PACKAGES) ? readdirSync(PACKAGES) : []
  return versions
    .sort((a, b) => Number(b) - Number(a))
    .map((version) => join(PACKAGES, version, 'bin'))
    .find((directory) => existsSync(join(directory, 'initdb')))
}

export async function startPostgres(options: PostgresOptions = {}): Promise<PostgresEngine> {
  const { settings = [], prepare, under = tmpdir() } = options
  const missing = postgresMissing()
  const bin = binaries() ?? ''
  assert.equal(missing, undefined)
  const home = await mkdtemp(join(under, 'attache-postgres-'))
  await chmod(home, 0o711)
  execFileSync('chown', ['postgres:', home])
  const data = join(home, 'data')
  const port = await freePort()
  const asPostgres = (program: string, ...args: string[]): [string, string[]] => [
    'setpriv',
    ['--reuid=postgres', '--regid=postgres', '--clear-groups', join(bin, program), ...args],
  ]
  await run(
    ...asPostgres('initdb', '-D', data, '-U', 'app', '--auth=trust', '--encoding=UTF8', '--locale=C', '--no-sync'),
    { cwd: home },
  )
  const own = [`port = ${port}`, "unix_socket_directories = ''"]
  await appendFile(join(data, 'postgresql.conf'), `${[...SETTINGS, ...own, ...settings].join('\n')}\n`)
  await prepare?.(data)

  // What it prints goes to a file: a pipe would tie it to this process.
  async function control(...args: string[]): Promise<void> {
    const [program, words] = asPostgres('pg_ctl', '-D', data, '-s', '-w', '-l', join(home, 'log'), ...args)
    const child = spawn(program, words, { cwd: home, stdio: 'ignore' })
    const [code] = await once(child, 'exit')
    assert.equal(code, 0, `pg_ctl ${args.join(' ')}: ${await readFile(join(home, 'log'), 'utf8').catch(() => '')}`)
  }

  async function postmaster(): Promise<number | undefined> {
    const text = await readFile(join(data, 'postmaster.pid'), 'utf8').catch(() => '')
    return text === '' ? undefined : Number(text.split('\n')[0])
  }

  // Asked for at the start: a disk that is gone tells nobody.
  let parent: number | undefined
  const start = async () => {
    // Until somebody has reaped it, one that was killed would count as running.
    if ((await working(data)).length === 0) await rm(join(data, 'postmaster.pid'), { force: true })
    await control('start')
    parent = await postmaster()
  }

  async function signal(name: 'SIGSTOP' | 'SIGCONT'): Promise<void> {
    if (parent === undefined) return
    const children = await readFile(`/proc/${parent}/task/${parent}/children`, 'utf8').catch(() => '')
    // The parent first, so that it makes no more of them.
    for (const pid of [parent, ...children.split(' ').filter(Boolean).map(Number)]) kill(pid, name)
  }

  const halt = () => control('-m', 'immediate', 'stop')
  await start()
  const url = `postgres://app@127.0.0.1:${port}/postgres`
  const { stdout } = await run(join(bin, 'postgres'), ['--version'])
  return {
    environment: { ATTACHE_TEST_DATABASE_URL: url },
    version: stdout.trim(),
    url,
    start,
    halt,
    async kill() {
      // Those as well whose parent has given up before.
      for (let left = await working(data); left.length > 0; left = await working(data)) {
        for (const pid of left) kill(pid, 'SIGKILL')
        await pause(10)
      }
    },
    freeze: () => signal('SIGSTOP'),
    thaw: () => signal('SIGCONT'),
    async stop() {
      await signal('SIGCONT')
      if ((await working(data)).length > 0) await halt()
      await rm(home, { recursive: true, force: true })
    },
  }
}

/** Backends have process groups of their own, so each one is told; one that has just ended is not missed. */
function kill(pid: number, name: 'SIGSTOP' | 'SIGCONT' | 'SIGKILL'): void {
  try {
    process.kill(pid, name)
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'ESRCH')) throw error
  }
}

/** Its processes work in its directory; a zombie holds nothing any more, and has none. */
async function working(directory: string): Promise<number[]> {
  const pids = readdirSync('/proc').filter((name) => /^\d+$/.test(name))
  const places = await Promise.all(pids.map((pid) => readlink(`/proc/${pid}/cwd`).catch(() => '')))
  return pids.filter((_, index) => places[index] === directory).map(Number)
}
