/** `attache-server serve` as an operator runs it: one node of any number, with a corporation of its own making. */
import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { type Calls, callsOf, environment, PROGRAM } from './server.ts'
import { type Corporation, verb } from './verbs.ts'

export interface ServingNode {
  /** Where it listens itself, whatever its links say. */
  own: string
  pid: number
  stderr(): string
  /** SIGTERM; the process must end with 0. */
  stop(): Promise<void>
  kill(): Promise<void>
  /** Calls at this very node, for a corporation. */
  as(corporation: Corporation): Calls
}

const running = new Set<ChildProcess>()
process.on('exit', () => {
  for (const child of running) child.kill('SIGKILL')
})

/** `env` holds all of its settings, ATTACHE_DATA among them. */
export async function serveNode(env: Record<string, string>): Promise<ServingNode> {
  const child = spawn(process.execPath, [PROGRAM, 'serve'], {
    env: environment(env),
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  running.add(child)
  const gone = once(child, 'exit').finally(() => running.delete(child))
  let stderr = ''
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text
  })
  const [line] = await Promise.race([once(createInterface({ input: child.stdout }), 'line'), gone])
  assert.equal(child.exitCode, null, `the node did not start: ${stderr}`)
  const port = env['ATTACHE_PORT'] ?? new URL(/http:\S+/.exec(String(line))?.[0] ?? '').port
  const own = `http://127.0.0.1:${port}`

  async function end(signal: 'SIGTERM' | 'SIGKILL'): Promise<void> {
    if (child.exitCode !== null || child.signalCode !== null) return
    child.kill(signal)
    const [code, by] = await gone
    if (signal === 'SIGTERM') assert.equal(code, 0, `SIGTERM ended the node with ${code ?? by}: ${stderr}`)
  }

  return {
    own,
    pid: child.pid ?? 0,
    stderr: () => stderr,
    stop: () => end('SIGTERM'),
    kill: () => end('SIGKILL'),
    as: ({ appKey, appSecurity }) => callsOf({ url: own, appKey, appSecurity }),
  }
}

/** With the stores that `env` names, as an operator does it. */
export async function newCorporation(env: Record<string, string>, name: string): Promise<Corporation> {
  const { code, stdout, stderr } = await verb(['app', 'create', '--corporation', name, '--json'], { env })
  assert.equal(code, 0, stderr)
  return JSON.parse(stdout)
}
