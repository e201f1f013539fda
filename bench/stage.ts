import { type ChildProcess, fork, type StdioOptions, spawn } from 'node:child_process'
import { once } from 'node:events'
import { rmSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** Where one row plays: a directory and processes, all gone when it is over. */
export interface Stage extends AsyncDisposable {
  directory: string
  start(program: string, args: string[], options?: { env?: NodeJS.ProcessEnv; stdio?: StdioOptions }): ChildProcess
  /** Starts a program of `limits/`. */
  limit<Asked extends object, Answer>(name: string): Program<Asked, Answer>
  /** Starts a program that lies beside this one. */
  program<Asked extends object, Answer>(name: string): Program<Asked, Answer>
}

export interface Program<Asked, Answer> {
  pid: number
  /** One message there, one back. */
  ask(asked: Asked): Promise<Answer>
}

const running = new Set<ChildProcess>()
const directories = new Set<string>()
const PATIENCE_MS = 10_000

process.on('exit', () => {
  for (const child of running) child.kill('SIGKILL')
  for (const directory of directories) rmSync(directory, { recursive: true, force: true })
})

export async function openStage(): Promise<Stage> {
  const directory = await mkdtemp(join(tmpdir(), 'attache-bench-'))
  directories.add(directory)
  const own: ChildProcess[] = []

  function take<Child extends ChildProcess>(child: Child): Child {
    own.push(child)
    running.add(child)
    child.once('exit', () => running.delete(child))
    // A program that can't be started has no exit.
    child.once('error', (error) => {
      running.delete(child)
      console.error(error.message)
    })
    return child
  }

  function program<Asked extends object, Answer>(name: string): Program<Asked, Answer> {
    const child = take(fork(fileURLToPath(new URL(`./${name}`, import.meta.url)), { env: plainEnvironment() }))
    return { pid: child.pid ?? 0, ask: (asked) => answerOf(child, asked) }
  }

  return {
    directory,
    start: (program, args, options = {}) => take(spawn(program, args, options)),
    limit: (name) => program(`limits/${name}`),
    program,
    async [Symbol.asyncDispose]() {
      await Promise.all(own.filter((child) => running.has(child)).map(end))
      await rm(directory, { recursive: true, force: true })
      directories.delete(directory)
    },
  }
}

async function answerOf<Answer>(child: ChildProcess, asked: object): Promise<Answer> {
  const over = new AbortController()
  const { signal } = over
  const ended = once(child, 'exit', { signal }).then(() => undefined)
  const answer = Promise.race([once(child, 'message', { signal }), ended])
  child.send(asked)
  // Whichever came, nobody listens for the other any more.
  const message = await answer.finally(() => over.abort())
  if (message === undefined) throw new Error(`a program of the bench ended with ${child.exitCode ?? child.signalCode}`)
  return message[0] as Answer
}

async function end(child: ChildProcess): Promise<void> {
  const gone = once(child, 'exit')
  const impatience = setTimeout(() => child.kill('SIGKILL'), PATIENCE_MS)
  child.kill('SIGTERM')
  await gone
  clearTimeout(impatience)
}

/** None of this machine's own settings of Attaché. */
export function plainEnvironment(extra: NodeJS.ProcessEnv = {}): NodeJS.ProcessEnv {
  const kept = Object.entries(process.env).filter(([name]) => !/^(ATTACHE|NODE|npm|BENCH)_/.test(name))
  return { ...Object.fromEntries(kept), ...extra }
}
