/** docs/reliability.md: written from the outcomes of this run, and read for those of earlier ones. */
import { readFile, writeFile } from 'node:fs/promises'
import { ROWS, type Row } from './rows.ts'

export interface Outcome {
  id: string
  result: 'holds' | 'falls short' | 'not here'
  figure: string
  /** Day of the run. */
  date: string
  /** What was run: the short hash, and a plus where the tree was another. */
  commit: string
  command: string
}

const PAGE = new URL('../../docs/reliability.md', import.meta.url)

export async function keepOutcomes(fresh: readonly Outcome[]): Promise<void> {
  const all = [...(await earlierOutcomes()), ...fresh]
  const [long, short] = [all.filter(isLong), all.filter((outcome) => !isLong(outcome))]
  await writeFile(PAGE, pageOf(lastOf(short), lastOf(long)))
}

function isLong({ command }: Outcome): boolean {
  return command.startsWith('FULL=1')
}

/** The last one of each row. */
function lastOf(outcomes: readonly Outcome[]): ReadonlyMap<string, Outcome> {
  return new Map(outcomes.map((outcome) => [outcome.id, outcome]))
}

async function earlierOutcomes(): Promise<Outcome[]> {
  const text = await readFile(PAGE, 'utf8').catch(() => '')
  return text.split('\n').flatMap((line) => {
    const [, name = '', , result = '', figure = '', day = '', command = ''] = line.split(/(?<!\\)\|/).map(unescaped)
    const [date = '', commit = ''] = day.split(' ')
    const [id = ''] = name.split(' ')
    if (!isResult(result)) return []
    return [{ id, result, figure, date, commit, command: command.replaceAll('`', '') }]
  })
}

function isResult(text: string): text is Outcome['result'] {
  return text === 'holds' || text === 'falls short' || text === 'not here'
}

function pageOf(outcomes: ReadonlyMap<string, Outcome>, long: ReadonlyMap<string, Outcome>): string {
  return `# Reliability, measured

A row is one program, \`test/fault/ID-….ts\`: it prints its seed first and its figure last, and ends with 0 when its target is met. \`npm run prove\` runs all of them, \`npm run prove A1 B2\`
some, \`FULL=1\` in the long form, \`SEED=…\` with the same numbers again. This page is written by it. M must hold, S should. Rows with mounts and failing system calls want root, strace and
loop devices; where these are missing a row says so and counts as not shown. Beside the date stands the commit; a plus says that the tree differed from it.

${scoreOf('M', outcomes)}; ${scoreOf('S', outcomes)}.

${tableOf(ROWS, outcomes)}

## In the long form

${tableOf(
  ROWS.filter(({ id }) => long.has(id)),
  long,
)}
`
}

function tableOf(rows: readonly Row[], outcomes: ReadonlyMap<string, Outcome>): string {
  const lines = rows.map((row) => lineOf(row, outcomes.get(row.id)))
  return [
    '| row | target | result | last figure | date, commit | command |',
    '|---|---|---|---|---|---|',
    ...lines,
  ].join('\n')
}

function scoreOf(level: Row['level'], outcomes: ReadonlyMap<string, Outcome>): string {
  const rows = ROWS.filter((row) => row.level === level)
  const green = rows.filter(({ id }) => outcomes.get(id)?.result === 'holds').length
  const waiting = rows.filter(({ id, waits }) => waits !== undefined && !outcomes.has(id)).map(({ id }) => id)
  const open = waiting.length === 0 ? '' : `, of the others these wait: ${waiting.join(', ')}`
  return `**${level} rows that hold: ${green} of ${rows.length}** (${Math.round((100 * green) / rows.length)} %)${open}`
}

function lineOf({ id, level, target, waits }: Row, outcome: Outcome | undefined): string {
  const { result, figure, date, commit, command } = outcome ?? {
    result: waits === undefined ? 'not run' : 'waits',
    figure: waits ?? '',
    date: '',
    commit: '',
    command: '',
  }
  const cells = [`${id} ${level}`, target, result, figure, `${date} ${commit}`.trim(), command && `\`${command}\``]
  return `| ${cells.map(escaped).join(' | ')} |`
}

function escaped(cell: string): string {
  return cell.replace(/\s+/g, ' ').replaceAll('|', '\\|')
}

function unescaped(cell: string): string {
  return cell.trim().replaceAll('\\|', '|')
}
