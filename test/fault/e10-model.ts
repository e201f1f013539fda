/** E10: the service does what a model in memory says, step by step, while it is restarted and killed. */
import { agreement } from '../model/agreement.ts'
import { insideSystem, spawnedSystem } from '../model/system.ts'
import { row } from './stage.ts'

const START = Date.UTC(2026, 0, 2, 3, 4, 5, 678)

await row('E10', async ({ seed, full }) => {
  const inside = await agreement({
    open: () => insideSystem(START),
    start: START,
    seed,
    steps: full ? 200_000 : 10_000,
    lanes: 4,
  })
  const killed = await agreement({ open: spawnedSystem, seed, steps: full ? 10_000 : 300, lanes: 2 })
  return { ok: true, figure: `on a clock of its own: ${inside}; as a process that is killed: ${killed}` }
})
