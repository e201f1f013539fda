/** What every row of the scorecard has in common: the seed is printed first, the figure last, 0 when the target is met. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { seeded } from '../seeded.ts'
import { ROWS } from './rows.ts'

export interface Stage {
  /** The same numbers for the same seed. */
  random(): number
  seed: number
  /** The long form. */
  full: boolean
  /** Scratch of this row alone, removed at its end. */
  directory: string
  /** Runs at the end, last one first, whatever came of the row. */
  defer(work: () => unknown): void
}

export interface Verdict {
  ok: boolean
  figure: string
  /** Nothing was wrong or lost; it only took longer than it may. */
  onlyLate?: boolean
}

/** The row can't be shown on this machine: exit code 77 and the reason. */
export class NotHere extends Error {
  override readonly name = 'NotHere'
}

export const NOT_HERE = 77
/** Of a row that was only late. */
export const LATE = 75

/** Ends the process. */
export async function row(id: string, show: (stage: Stage) => Promise<Verdict>): Promise<void> {
  const seed = Number(process.env['SEED'] ?? Date.now() % 1_000_000)
  const full = process.env['FULL'] === '1'
  const target = ROWS.find((known) => known.id === id)?.target
  console.log(`${id} seed ${seed}${full ? ', long form' : ''}: ${target}`)
  process.once('uncaughtException', (error) => {
    console.error(error)
    console.log(`outside of the row's own course: ${firstLineOf(error)}`)
    process.exit(1)
  })
  const { code, figure } = await shown(show, { seed, full }).then(
    ({ ok, figure, onlyLate = false }) => ({ code: ok ? 0 : onlyLate ? LATE : 1, figure }),
    (error) => {
      if (error instanceof NotHere) return { code: NOT_HERE, figure: error.message }
      const first = firstOf(error)
      console.error(error, first)
      return { code: 1, figure: firstLineOf(first) }
    },
  )
  console.log(figure)
  process.exit(code)
}

function firstLineOf(error: unknown): string {
  return `${error}`.split('\n', 1)[0] ?? ''
}

/** What went wrong before the clearing up did. */
function firstOf(error: unknown): unknown {
  return error instanceof SuppressedError ? firstOf(error.suppressed) : error
}

async function shown(
  show: (stage: Stage) => Promise<Verdict>,
  { seed, full }: Pick<Stage, 'seed' | 'full'>,
): Promise<Verdict> {
  await using ending = new AsyncDisposableStack()
  const directory = await mkdtemp(join(tmpdir(), 'attache-prove-'))
  ending.defer(() => rm(directory, { recursive: true, force: true }))
  const defer: Stage['defer'] = (work) =>
    ending.defer(async () => {
      await work()
    })
  return await show({ random: seeded(seed), seed, full, directory, defer })
}
