import { type Line, passes, type Row } from './row.ts'

export interface Outcome {
  row: Pick<Row, 'id' | 'job' | 'goal'>
  lines: Line[]
  /** Why there is nothing to judge. */
  unmeasured?: string
}

export function passed({ lines, unmeasured }: Outcome): boolean {
  return unmeasured === undefined && lines.every(passes)
}

/** Markdown, as docs/speed.md keeps it. */
export function tableOf(outcomes: readonly Outcome[]): string {
  return [
    '| # | what | Attaché | limit | ratio (least–most) | goal | p50 / p99 ms | |',
    '|---|---|---|---|---|---|---|---|',
    ...outcomes.flatMap(({ row, lines, unmeasured }) =>
      unmeasured === undefined
        ? lines.map((line) => lineOf(row.id, line))
        : [`| ${row.id} | ${row.job} | | | | ${row.goal} | | not measured: ${unmeasured} |`],
    ),
  ].join('\n')
}

function lineOf(id: string, line: Line): string {
  const { median, least, most } = line.ratio
  const times = line.p50Ms === undefined ? '' : `${milliseconds(line.p50Ms)} / ${milliseconds(line.p99Ms)}`
  const what = line.note === undefined ? line.what : `${line.what} (${line.note})`
  const verdict = line.goal === undefined ? '' : passes(line) ? 'pass' : '**below**'
  const ratio = `**${median.toFixed(2)}** (${least.toFixed(2)}–${most.toFixed(2)})`
  return `| ${id} | ${what} | ${line.ours} | ${line.limit} | ${ratio} | ${goalOf(line)} | ${times} | ${verdict} |`
}

function goalOf({ goal }: Line): string {
  if (goal === undefined) return '–'
  return 'atLeast' in goal ? `≥ ${goal.atLeast}` : `≤ ${goal.atMost}`
}

function milliseconds(value: number | undefined): string {
  return value === undefined ? '–' : value.toFixed(value < 10 ? 2 : 0)
}
