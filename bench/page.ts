import { readFile, writeFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { chartOf } from './chart.ts'
import type { Outcome } from './table.ts'

const PAGE = fileURLToPath(new URL('../docs/speed.md', import.meta.url))
const CHART = fileURLToPath(new URL('../docs/speed.svg', import.meta.url))
const [START, END] = ['<!-- figures -->', '<!-- end of figures -->']

/** Puts the last figures into docs/speed.md, between its two marks, and draws them. */
export async function writePage(report: string, outcomes: readonly Outcome[]): Promise<void> {
  const page = await readFile(PAGE, 'utf8')
  const [start, end] = [page.indexOf(START), page.indexOf(END)]
  if (start === -1 || end < start) throw new Error(`docs/speed.md lacks its marks ${START} and ${END}`)
  await writeFile(PAGE, `${page.slice(0, start + START.length)}\n\n${report}\n\n${page.slice(end)}`)
  await writeFile(CHART, chartOf(outcomes))
}
