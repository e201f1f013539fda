import assert from 'node:assert/strict'
import { it } from 'node:test'
import { inBackground } from './background.ts'

const LATER = 1_000_000

it('runs a chore at once when it is prompted, and once more when it was prompted as it ran', async () => {
  let runs = 0
  let prompt = () => {}
  let ended = () => {}
  const work = () => {
    runs++
    return new Promise<void>((resolve) => {
      ended = resolve
    })
  }
  const promptedBy = (run: () => void) => {
    prompt = run
  }
  const background = inBackground([{ every: LATER, work, promptedBy }], (fault) => assert.fail(String(fault)))
  prompt()
  assert.equal(runs, 1)
  for (let times = 0; times < 3; times++) prompt()
  assert.equal(runs, 1)
  ended()
  await new Promise(setImmediate)
  assert.equal(runs, 2)
  ended()
  await new Promise(setImmediate)
  assert.equal(runs, 2)
  prompt()
  assert.equal(runs, 3)
  const stopping = background.stop()
  prompt()
  ended()
  await stopping
  assert.equal(runs, 3)
})

it('runs a chore that failed again, and reports it once until it has gone well', async () => {
  const faults: unknown[] = []
  const done = Promise.withResolvers<void>()
  const outcomes = [false, false, true, false, true]
  let runs = 0
  const work = async () => {
    const good = outcomes[runs++]
    if (good === undefined) return done.resolve()
    if (!good) throw new Error(`run ${runs}`)
  }
  const background = inBackground([{ every: 1, work }], (fault) => faults.push(fault))
  // The timers of chores keep no process alive.
  const awake = setInterval(() => {}, LATER)
  await done.promise
  clearInterval(awake)
  await background.stop()
  assert.deepEqual(faults.map(String), ['Error: run 1', 'Error: run 4'])
})
