import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { inParallel } from './pool.ts'

describe('work in parallel', () => {
  it('gives every result as it comes, never more than so many at once', async () => {
    let [running, most] = [0, 0]
    const results: number[] = []
    const work = async (item: number) => {
      most = Math.max(most, ++running)
      await pause(item % 3)
      running--
      return item
    }
    for await (const result of inParallel(Array(20).keys(), { concurrency: 3 }, work)) results.push(result)
    assert.equal(most, 3)
    assert.deepEqual(
      results.sort((a, b) => a - b),
      [...Array(20).keys()],
    )
  })

  it('stops what is under way when one fails, and waits for it', async () => {
    const ended: number[] = []
    const work = async (item: number, signal: AbortSignal) => {
      if (item === 1) throw new Error('one')
      await new Promise((resolve) => signal.addEventListener('abort', resolve))
      ended.push(item)
    }
    await assert.rejects(async () => {
      for await (const _ of inParallel(Array(20).keys(), { concurrency: 3 }, work));
    }, /one/)
    assert.deepEqual(ended, [0, 2])
  })

  it('tells the work that its caller stopped, and why', async () => {
    const reason = new Error('enough')
    const seen: unknown[] = []
    const work = async (_item: number, signal: AbortSignal) => {
      seen.push(signal.reason)
    }
    for await (const _ of inParallel([1, 2], { concurrency: 1, signal: AbortSignal.abort(reason) }, work));
    assert.deepEqual(seen, [reason, reason])
  })
})
