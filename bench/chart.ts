import { type Line, passes } from './row.ts'
import type { Outcome } from './table.ts'

const [WIDTH, LEFT, ROW, BAR, TOP] = [980, 520, 26, 14, 54]
const MOST = 2

/**
 * Bars of what was reached against the goal, which is the upright line: to its right is better, whichever way the goal
 * points. Colours read on light and on dark.
 */
export function chartOf(outcomes: readonly Outcome[]): string {
  const bars = outcomes.flatMap(({ row, lines }) =>
    lines.flatMap((line) => {
      const reached = reachedOf(line)
      return reached === undefined ? [] : [{ id: row.id, line, reached }]
    }),
  )
  const height = TOP + bars.length * ROW + 16
  const goal = xOf(1)
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" width="${WIDTH}" height="${height}" role="img" aria-label="What was reached, as a share of each goal" font-family="system-ui, sans-serif" font-size="12">
<style>text{fill:#1f2328}.dim{fill:#59636e}.pass{fill:#1a7f37}.below{fill:#bf5700}.goal{stroke:#59636e}@media(prefers-color-scheme:dark){text{fill:#e6edf3}.dim{fill:#9198a1}.pass{fill:#3fb950}.below{fill:#f0883e}.goal{stroke:#9198a1}}</style>
<text x="${goal}" y="20" text-anchor="middle" class="dim">goal</text>
<text x="${goal + 10}" y="40" class="dim">better than the goal →</text>
<text x="${goal - 10}" y="40" class="dim" text-anchor="end">← short of it</text>
${bars.map((bar, at) => barOf(bar, TOP + at * ROW)).join('\n')}
<line x1="${goal}" x2="${goal}" y1="26" y2="${height - 12}" class="goal" stroke-dasharray="3 3"/>
</svg>
`
}

interface Bar {
  id: string
  line: Line
  /** The share of the goal that was reached; above 1 is better. */
  reached: number
}

function barOf({ id, line, reached }: Bar, y: number): string {
  const verdict = passes(line) ? 'pass' : 'below'
  const end = xOf(Math.min(reached, MOST))
  const told = `${line.ratio.median.toFixed(2)} (${line.goal && 'atLeast' in line.goal ? '≥' : '≤'} ${goalOf(line)})`
  return [
    `<text x="${LEFT - 10}" y="${y + BAR - 3}" text-anchor="end"><tspan class="dim">${id}</tspan> ${escaped(line.what)}</text>`,
    `<rect x="${LEFT}" y="${y}" width="${(end - LEFT).toFixed(1)}" height="${BAR}" rx="2" class="${verdict}"/>`,
    `<text x="${end + 6}" y="${y + BAR - 3}">${told}</text>`,
  ].join('\n')
}

function reachedOf({ ratio, goal }: Line): number | undefined {
  if (goal === undefined) return undefined
  return 'atLeast' in goal ? ratio.median / goal.atLeast : goal.atMost / Math.max(ratio.median, 1e-9)
}

function goalOf({ goal }: Line): string {
  if (goal === undefined) return ''
  return String('atLeast' in goal ? goal.atLeast : goal.atMost)
}

function xOf(reached: number): number {
  return LEFT + (reached / MOST) * (WIDTH - LEFT - 110)
}

function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;')
}
