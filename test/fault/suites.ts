/** Rows whose proof is a suite, over real engines or without: what the suite says is the row's figure. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { postgresMissing } from '../engines/postgres.ts'
import { swiftMissing } from '../engines/swift.ts'
import { NotHere, type Verdict } from './stage.ts'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))
const RUNNER = fileURLToPath(new URL('../engines/run.ts', import.meta.url))

export interface Suites {
  /** From the root. */
  files: string[]
  /** Says how often, in the long form. */
  env?: Record<string, string>
  /** Without PostgreSQL and an object store. */
  alone?: boolean
  /** Which of the suites' own lines go into the figure; all of them where it is left out. */
  says?: RegExp
}

const TESTS = ['--test', '--test-reporter=spec', '--test-force-exit', '--test-timeout=120000', '--test-concurrency=1']

/** Brings PostgreSQL and an object store up for it; the row is not here where they can't be had. */
export async function suites({ files, env = {}, says = /./, alone = false }: Suites): Promise<Verdict> {
  const missing = alone ? undefined : (postgresMissing() ?? swiftMissing())
  if (missing !== undefined) throw new NotHere(missing)
  const child = spawn(process.execPath, [...(alone ? TESTS : [RUNNER]), ...files], {
    cwd: ROOT,
    env: { ...process.env, ...env, CI: 'true' },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  let output = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    output += text
  })
  const [code] = await once(child, 'close')
  if (code !== 0) console.log(output)
  // The reporter puts this sign before what a suite says, and before its counts at the end.
  const lines = [...output.matchAll(/^\s*ℹ (.*)$/gm)].map(([, line = '']) => line)
  const counts = new Map(lines.map((line) => line.match(/^(\w+) ([\d.]+)$/)).map((found) => [found?.[1], found?.[2]]))
  const said = lines.filter((line) => !/^\w+ [\d.]+$/.test(line) && says.test(line))
  const [tests, passed] = [Number(counts.get('tests')), Number(counts.get('pass'))]
  const figure = [`${passed} of ${tests} cases pass`, ...said].join('; ')
  return { ok: code === 0 && tests > 0 && passed === tests, figure }
}
