/** The command line as the process that it is, with nothing of this machine's own settings. */
import assert from 'node:assert/strict'
import { type ChildProcessByStdio, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Readable, Writable } from 'node:stream'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { Compile } from 'typebox/schema'

export const CLI = fileURLToPath(new URL('../packages/cli/bin/attache.cjs', import.meta.url))
const SCHEMA = new URL('../packages/cli/schema.json', import.meta.url)

export interface CliOptions {
  env?: Record<string, string>
  input?: string | Uint8Array
  cwd?: string
  /** Another Node than this one, another program than the sources'. */
  node?: string
  program?: string
}

export interface CliOutcome {
  code: number | null
  signal: NodeJS.Signals | null
  stdout: string
  stderr: string
  /** What `--json` printed, each line valid by the published schema. */
  rows: Row[]
}

export type Row = Record<string, unknown> & { type: string }

export interface RunningCli {
  child: ChildProcessByStdio<Writable, Readable, Readable>
  pid: number
  ended: Promise<CliOutcome>
}

export function startCli(args: readonly string[], options: CliOptions = {}): RunningCli {
  const { env = {}, input, cwd, node = process.execPath, program = CLI } = options
  const child = spawn(node, [program, ...args], {
    env: { PATH: process.env['PATH'] ?? '', LANG: 'C', ...env },
    cwd,
    stdio: ['pipe', 'pipe', 'pipe'],
  })
  child.stdin.on('error', () => {})
  child.stdin.end(input ?? '')
  const ended = (async () => {
    const [stdout, stderr, [code, signal]] = await Promise.all([
      text(child.stdout),
      text(child.stderr),
      once(child, 'exit'),
    ])
    return { code, signal, stdout, stderr, rows: args.includes('--json') ? validRows(stdout) : [] }
  })()
  return { child, pid: child.pid ?? 0, ended }
}

export async function cli(args: readonly string[], options: CliOptions = {}): Promise<CliOutcome> {
  return startCli(args, options).ended
}

interface Schema {
  $defs: Record<string, { additionalProperties?: boolean }>
}

const schema = JSON.parse(readFileSync(SCHEMA, 'utf8')) as Schema
// A reader must bear members that come later; what this version prints has none that the schema doesn't name.
for (const definition of Object.values(schema.$defs)) definition.additionalProperties = false
const validator = Compile(schema)

export function validRows(stdout: string): Row[] {
  const lines = stdout.split('\n')
  // Half a line of a run that was killed.
  lines.pop()
  return lines.map((line) => {
    const row: unknown = JSON.parse(line)
    assert.ok(validator.Check(row), `${line}: ${JSON.stringify(validator.Errors(row)[1])}`)
    return row as Row
  })
}

export function rowsOfType({ rows }: Pick<CliOutcome, 'rows'>, type: string): Row[] {
  return rows.filter((row) => row.type === type)
}

/** An empty directory, removed in the end. */
export async function place(): Promise<AsyncDisposable & { path: string; in(name: string): string }> {
  const path = await mkdtemp(join(tmpdir(), 'attache-cli-'))
  return {
    path,
    in: (name) => join(path, name),
    [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }),
  }
}

/** What a user of this server has in the environment; profiles of their own in `home`. */
export function settingsOf(facts: { url: string; appKey: string; appSecurity: string }, home: string) {
  return {
    ATTACHE_URL: facts.url,
    ATTACHE_APP_KEY: facts.appKey,
    ATTACHE_APP_SECURITY: facts.appSecurity,
    XDG_CONFIG_HOME: home,
  }
}
