import { test } from 'node:test'
import { agreement } from './agreement.ts'
import { insideSystem, spawnedSystem } from './system.ts'

const START = Date.UTC(2026, 0, 2, 3, 4, 5, 678)
const seed = Number(process.env['SEED'] ?? Date.now() % 1_000_000)

// The row E10 of `npm run prove` goes on for 10,000 steps.
test('does what its model does, through restarts and crashes', async (t) => {
  t.diagnostic(`SEED=${seed}`)
  t.diagnostic(await agreement({ open: () => insideSystem(START), start: START, seed, steps: 1000, lanes: 4 }))
})

test('does what its model does as a process that is killed', async (t) => {
  t.diagnostic(`SEED=${seed}`)
  t.diagnostic(await agreement({ open: spawnedSystem, seed, steps: 100, lanes: 1 }))
})
