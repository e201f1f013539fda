import { test } from 'node:test'
import { agreement } from './agreement.ts'
import { insideSystem } from './system.ts'

const START = Date.UTC(2026, 0, 2, 3, 4, 5, 678)
const seed = Number(process.env['SEED'] ?? Date.now() % 1_000_000)

// The row E10 of `npm run prove` goes on for 10,000 steps, and kills a process as well.
test('does what its model does, through restarts and crashes', async (t) => {
  t.diagnostic(`SEED=${seed}`)
  t.diagnostic(await agreement({ open: () => insideSystem(START), start: START, seed, steps: 500, lanes: 4 }))
})
