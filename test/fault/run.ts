/** `npm run prove [-- A1 B2 …]`: the rows one after another, a table, and docs/reliability.md. */
import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { keepOutcomes, type Outcome } from './report.ts'
import { ROWS, type Row } from './rows.ts'
import { LATE, NOT_HERE } from './stage.ts'

// What stalls is a failure to be read, not a machine to be waited for.
const LONGEST_MS = process.env['FULL'] === '1' ? 7_200_000 : 300_000
interface Proved {
  late: boolean
  outcome: Outcome
  level: Row['level']
  seconds: number
}

// In CI, of a row that must hold.
const MOST_AGAIN = 2

/** Rows that a machine of CI may lack the means for. */
const MAY_MISS_IN_CI: readonly string[] = []

const running = new Set<number>()
process.on('exit', () => {
  for (const pid of running) endGroup(pid)
})
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(130))

const asked = process.argv.slice(2)
const finished: Proved[] = []
const commit = commitHere()
for (const row of rowsAsked(asked)) {
  const file = programOf(row)
  if (file === undefined) {
    console.log(`\n${row.id} ${row.waits ?? 'has no program'}`)
    continue
  }
  let proved = await prove(row, file)
  for (let again = 0; again < MOST_AGAIN && mayHaveBeenSpoilt(row, proved); again++) {
    console.log(`${row.id} measures times and memory, which other work on this machine may have spoilt: once more`)
    proved = await prove(row, file)
  }
  finished.push(proved)
}
await keepOutcomes(finished.map(({ outcome }) => outcome))
console.log(`\n${table()}`)
const green = finished.every((one) => passes(one.outcome) || (process.env['CI'] === 'true' && mayFallShort(one)))
process.exit(green ? 0 : 1)

function rowsAsked(ids: readonly string[]): readonly Row[] {
  const unknown = ids.filter((id) => !ROWS.some((row) => row.id === id))
  if (unknown.length > 0) {
    console.error(
      `no such row: ${unknown.join(', ')}. Rows:${ROWS.map(({ id, target }) => `\n  ${id}  ${target}`).join('')}`,
    )
    process.exit(2)
  }
  return ids.length === 0 ? ROWS : ROWS.filter(({ id }) => ids.includes(id))
}

function programOf({ id }: Row): string | undefined {
  const programs = readdirSync(import.meta.dirname).filter((name) => name.startsWith(`${id.toLowerCase()}-`))
  if (programs.length > 1) throw new Error(`${id} has more than one program: ${programs.join(', ')}`)
  return programs[0]
}

async function prove({ id, target, level }: Row, file: string): Promise<Proved> {
  console.log(`\n${id}  ${target}`)
  const started = performance.now()
  const { code, last } = await ended(join(import.meta.dirname, file))
  const seconds = Math.round((performance.now() - started) / 100) / 10
  const result = code === 0 && last !== '' ? 'holds' : code === NOT_HERE ? 'not here' : 'falls short'
  const long = process.env['FULL'] === '1' ? 'FULL=1 ' : ''
  const date = new Date().toISOString().slice(0, 10)
  return {
    outcome: { id, result, figure: last, date, commit, command: `${long}npm run prove ${id}` },
    level,
    seconds,
    late: code === LATE,
  }
}

/** Of the tree that runs, without this page that the last run wrote; nothing where it is no checkout. */
function commitHere(): string {
  const git = (...args: string[]) =>
    execFileSync('git', args, {
      cwd: import.meta.dirname,
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    }).trim()
  try {
    const differs = git('status', '--porcelain', '--', ':/', ':!/docs/reliability.md') !== ''
    return `${git('rev-parse', '--short', 'HEAD')}${differs ? '+' : ''}`
  } catch {
    return ''
  }
}

/** In a process group of its own, so that nothing it started outlives it. */
async function ended(file: string): Promise<{ code: number | null; last: string }> {
  const child = spawn(process.execPath, [file], { stdio: ['ignore', 'pipe', 'inherit'], detached: true })
  const pid = child.pid ?? 0
  running.add(pid)
  let last = ''
  createInterface({ input: child.stdout }).on('line', (line) => {
    console.log(`  ${line}`)
    if (line.trim() !== '') last = line
  })
  let late = false
  const timer = setTimeout(() => {
    late = true
    endGroup(pid)
  }, LONGEST_MS)
  const [code] = await once(child, 'close')
  clearTimeout(timer)
  running.delete(pid)
  return late ? { code: 1, last: `not done after ${LONGEST_MS / 1000} s: ${last}` } : { code, last }
}

function endGroup(pid: number): void {
  try {
    process.kill(-pid, 'SIGKILL')
  } catch {
    // It has ended by itself.
  }
}

function mayHaveBeenSpoilt({ measures, level }: Row, { outcome, late }: Proved): boolean {
  if (process.env['CI'] !== 'true' || level !== 'M' || outcome.result !== 'falls short') return false
  return measures === true || late
}

function mayFallShort({ outcome, level }: Proved): boolean {
  return outcome.result === 'falls short' && level === 'S'
}

function passes({ id, result }: Outcome): boolean {
  if (result !== 'not here') return result === 'holds'
  return process.env['CI'] !== 'true' || MAY_MISS_IN_CI.includes(id)
}

function table(): string {
  const lines = finished.map(({ outcome: { id, result, figure }, seconds }) =>
    [id.padEnd(11), result.padEnd(12), `${seconds.toFixed(1)} s`.padStart(9), ` ${figure}`].join(' '),
  )
  return ['row         result          time  figure', ...lines].join('\n')
}
