/** The operator's verbs as the processes that they are, beside a running server. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { text } from 'node:stream/consumers'
import { environment, PROGRAM } from './server.ts'

export interface Outcome {
  code: number | null
  stdout: string
  stderr: string
}

export interface VerbOptions {
  env?: Record<string, string>
  /** Another Node than this one. */
  node?: string
}

export async function verb(args: string[], { env = {}, node = process.execPath }: VerbOptions = {}): Promise<Outcome> {
  const child = spawn(node, [PROGRAM, ...args], { env: environment(env), stdio: ['ignore', 'pipe', 'pipe'] })
  const [stdout, stderr, [code]] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'exit')])
  return { code, stdout, stderr }
}

/** A verb that must succeed; gives what it printed. */
export async function done(args: string[], data: string): Promise<string> {
  const { code, stdout, stderr } = await verb(args, { env: { ATTACHE_DATA: data } })
  assert.equal(code, 0, `${args.join(' ')}: ${stderr}`)
  return stdout
}

export interface Corporation {
  corporationId: string
  appKey: string
  appSecurity: string
}

export async function createCorporation({ data }: { data: string }, name: string): Promise<Corporation> {
  return JSON.parse(await done(['app', 'create', '--corporation', name, '--json'], data))
}
