/**
 * `npm run test:engines [-- FILE …]`: brings up what the suites `*.engine.ts` need, runs them, and takes it all down
 * again, whatever happened. An engine that can't be had is named with the reason, and its suites are skipped; in CI
 * that is a failure.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'

interface Engine {
  version: string
  /** What its suites find it by. */
  environment: Record<string, string>
  stop(): Promise<void>
}

const ENGINES: Record<string, () => Promise<Engine>> = {
  PostgreSQL: async () => (await import('./postgres.ts')).startPostgres(),
  Swift: async () => (await import('./swift.ts')).startSwift(),
}
const SUITES = ['packages/*/src/**/*.engine.ts', 'test/engines/*.engine.ts']
const OPTIONS = ['--test', '--test-reporter=spec', '--test-force-exit', '--test-timeout=300000', '--test-concurrency=1']
const MUST_RUN = process.env['CI'] === 'true'

const running: Engine[] = []
let suites: ChildProcess | undefined
let ended = false

for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.on(signal, () => {
    ended = true
    suites?.kill('SIGTERM')
  })
}
process.exitCode = await run(process.argv.slice(2))

async function run(named: string[]): Promise<number> {
  try {
    const found: (Record<string, string> | undefined)[] = []
    // One after the other: two that install packages would be in each other's way.
    for (const [name, start] of Object.entries(ENGINES)) if (!ended) found.push(await bringUp(name, start))
    if (ended || (MUST_RUN && found.includes(undefined))) return 1
    const environment = Object.assign({}, ...found)
    return await runSuites(named.length > 0 ? named : SUITES, environment)
  } finally {
    for (const engine of running) await engine.stop()
  }
}

async function bringUp(name: string, start: () => Promise<Engine>): Promise<Record<string, string> | undefined> {
  const started = performance.now()
  try {
    const engine = await start()
    running.push(engine)
    console.log(`${name}: ${engine.version}, up in ${seconds(started)} s`)
    return engine.environment
  } catch (error) {
    console.log(`${name}: not to be had, its suites are skipped: ${error instanceof Error ? error.message : error}`)
    return undefined
  }
}

async function runSuites(files: string[], environment: Record<string, string>): Promise<number> {
  const started = performance.now()
  const env = { ...process.env, ...environment }
  suites = spawn(process.execPath, [...OPTIONS, ...files], { env, stdio: 'inherit' })
  const [code] = await once(suites, 'exit')
  console.log(`suites: ${seconds(started)} s`)
  return code ?? 1
}

function seconds(since: number): string {
  return ((performance.now() - since) / 1000).toFixed(1)
}
