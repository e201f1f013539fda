/** System calls of a running process that fail on demand, by strace. Needs root or ptrace of one's own processes. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync, readFileSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { exists, run } from '../programs.ts'
import { NotHere } from './stage.ts'

export interface Fault {
  call: string
  /** `undefined` only watches. */
  error?: string
  /** The how-manieth call from now on. */
  nth?: number
}

/** A call as strace saw it. */
export interface Seen {
  text: string
  injected: boolean
}

/** The thread that runs JavaScript and SQLite, and the one that libuv does files with: a server is to be given only one of these. */
export function threadsOf(pid: number): { main: number; files: number } {
  const name = (thread: string) => readFileSync(`/proc/${pid}/task/${thread}/comm`, 'latin1').trim()
  const files = readdirSync(`/proc/${pid}/task`).filter((thread) => name(thread).startsWith('libuv-worker'))
  if (files.length !== 1) throw new Error(`${files.length} threads of libuv: start it with UV_THREADPOOL_SIZE=1`)
  return { main: pid, files: Number(files[0]) }
}

/** Installs strace from Debian where it is missing. */
export async function needStrace(): Promise<void> {
  if (await exists('strace')) return
  await run('apt-get', ['install', '-y', '-qq', '--no-install-recommends', 'strace']).catch(() => undefined)
  if (!(await exists('strace'))) throw new NotHere('strace is missing and can not be installed')
}

/** Attaches to one thread, does `work`, and lets go again. */
export async function underFault<T>(
  thread: number,
  { call, error, nth }: Fault,
  work: () => Promise<T>,
): Promise<{ value: T; seen: Seen[] }> {
  const inject = error === undefined ? [] : ['-e', `inject=${call}:error=${error}:when=${nth}`]
  // -y names the files behind descriptors; lines go to stderr.
  const args = ['-y', '-s', '0', '-p', String(thread), '-e', `trace=${call}`, ...inject]
  const tracer = spawn('strace', args, { stdio: ['ignore', 'ignore', 'pipe'] })
  const gone = once(tracer, 'exit')
  const closed = once(tracer.stderr, 'close')
  const lines: string[] = []
  const attached = Promise.withResolvers<void>()
  createInterface({ input: tracer.stderr }).on('line', (line) => {
    lines.push(line)
    if (/ attached/.test(line)) attached.resolve()
  })
  const refused = gone.then(() => Promise.reject(new NotHere(`strace: ${lines.join(' ')}`)))
  refused.catch(() => undefined)
  await Promise.race([attached.promise, refused])
  try {
    const value = await work()
    tracer.kill('SIGINT')
    await closed
    const calls = lines.filter((line) => line.startsWith(`${call}(`))
    return { value, seen: calls.map((text) => ({ text, injected: text.includes('(INJECTED)') })) }
  } finally {
    tracer.kill('SIGINT')
    await gone
  }
}
