/** Runs of commands, one after another in some lanes side by side, until there have been enough steps. */
import fc from 'fast-check'
import { type Counter, commands } from './commands.ts'
import { emptyModel } from './model.ts'
import type { System } from './system.ts'

export interface Agreement {
  open(): Promise<System>
  /** Where the clock begins; it is the machine's own where this is left out. */
  start?: number
  /** Of the first run; each further one takes the next. */
  seed: number
  steps: number
  /** A step often waits for the service to hear of another. */
  lanes: number
}

const LENGTH = 500

/** Throws with the seed where the service and its model part. */
export async function agreement({ open, start, seed, steps, lanes }: Agreement): Promise<string> {
  const count: Counter = { steps: 0, byName: new Map() }
  const started = performance.now()
  let next = seed
  async function lane(): Promise<void> {
    while (count.steps < steps) await oneRun({ open, start }, { count, seed: next++ })
  }
  await Promise.all(Array.from({ length: lanes }, lane))
  const seconds = ((performance.now() - started) / 1000).toFixed(1)
  const kinds = [...count.byName].toSorted(([, a], [, b]) => b - a).map(([name, times]) => `${times} × ${name}`)
  return `${count.steps} steps in ${next - seed} runs and ${seconds} s, 0 differences: ${kinds.join(', ')}`
}

async function oneRun(
  { open, start }: { open: Agreement['open']; start: number | undefined },
  { count, seed }: { count: Counter; seed: number },
): Promise<void> {
  const property = fc.asyncProperty(commands(count, { length: LENGTH }), async (steps) => {
    const real = await open()
    await using _ending = real
    await fc.asyncModelRun(() => ({ model: emptyModel(start ?? Date.now(), start !== undefined), real }), steps)
  })
  await fc.assert(property, { seed, numRuns: 1, endOnFailure: true })
}
