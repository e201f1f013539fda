import assert from 'node:assert/strict'
import { it } from 'node:test'
import { setTimeout } from 'node:timers/promises'
import { inTurns } from './in-turns.ts'

it('does work under one key in turn, past one that fails, and other work beside it', async () => {
  const turns = inTurns()
  const seen: string[] = []
  const work = (key: string, name: string, ms: number) =>
    turns(key, async () => {
      await setTimeout(ms)
      seen.push(name)
      if (name === 'a1') throw new Error(name)
      return name
    })
  const results = await Promise.allSettled([work('a', 'a1', 30), work('a', 'a2', 1), work('b', 'b1', 1)])
  assert.deepEqual(seen, ['b1', 'a1', 'a2'])
  assert.deepEqual(
    results.map((result) => (result.status === 'fulfilled' ? result.value : result.reason.message)),
    ['a1', 'a2', 'b1'],
  )
  assert.equal(await work('a', 'a3', 1), 'a3')
})
