/** `attache-server dev` as a process, whose clock a test sets. */
import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { type Calls, callsOf, environment, type Facts, PROGRAM } from './server.ts'

export interface DevServer extends Facts, Calls {
  /** Further members of what it printed. */
  facts: Record<string, unknown>
  /** Moves its clock to a Unix time in seconds. */
  setTime(seconds: number): Promise<void>
  stop(): Promise<void>
}

const running = new Set<ChildProcess>()
process.on('exit', () => {
  for (const child of running) child.kill('SIGKILL')
})

export async function startDev(args: string[] = [], env: Record<string, string> = {}): Promise<DevServer> {
  const directory = await mkdtemp(join(tmpdir(), 'attache-dev-server-'))
  const child = spawn(process.execPath, [PROGRAM, 'dev', '--json', ...args], {
    env: environment({ ATTACHE_DATA: join(directory, 'data'), ...env }),
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  running.add(child)
  const gone = once(child, 'exit').finally(() => running.delete(child))
  const [line] = await Promise.race([once(createInterface({ input: child.stdout }), 'line'), gone])
  assert.equal(child.exitCode, null, 'the development server did not start')
  const facts = JSON.parse(String(line)) as Facts & Record<string, unknown>
  const clock = async (body: object) => {
    const init = { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) }
    const answer = await fetch(`${facts.url}/dev/clock`, init)
    assert.equal(answer.status, 200, await answer.clone().text())
    await answer.arrayBuffer()
  }
  return {
    ...facts,
    ...callsOf(facts),
    facts,
    setTime: (seconds) => clock({ now: seconds * 1000 }),
    async stop() {
      child.kill('SIGTERM')
      await gone
      await rm(directory, { recursive: true, force: true })
    },
  }
}
