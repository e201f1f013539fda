import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { inBatches } from './batches.ts'

const isEven = (item: number) => item % 2 === 0

describe('batches', () => {
  it('settle at once what came while the last one was, and hold up nothing that waits for nothing', async () => {
    const batches: number[][] = []
    const passed: number[] = []
    const last = Promise.withResolvers<void>()
    async function* numbers() {
      for (let item = 0; item < 10; item++) yield item
      last.resolve()
    }
    const settle = async (batch: readonly number[]) => {
      batches.push([...batch])
      await last.promise
    }
    for await (const item of inBatches(numbers(), { most: 64, waits: isEven, settle, stop: () => {} }))
      passed.push(item)
    assert.deepEqual(batches, [[0], [2, 4, 6, 8]])
    assert.deepEqual(passed, [1, 3, 5, 7, 9, 0, 2, 4, 6, 8])
  })

  it('take no more than so many items that are not settled', async () => {
    let [taken, done, most] = [0, 0, 0]
    async function* numbers() {
      for (; taken < 40; taken += 2) yield taken
    }
    const settle = async (batch: readonly number[]) => {
      for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve))
      most = Math.max(most, taken / 2 - done)
      done += batch.length
    }
    for await (const _ of inBatches(numbers(), { most: 4, waits: isEven, settle, stop: () => {} }));
    assert.deepEqual([done, most <= 2 * 4], [20, true], `${most} at most`)
  })

  it('settle what has come when the reader stops, and stop what is under way', async () => {
    const settled: number[] = []
    const stopped = Promise.withResolvers<void>()
    async function* numbers() {
      yield* [0, 2, 3]
      await stopped.promise
      throw new Error('stopped')
    }
    const settle = async (batch: readonly number[]) => {
      settled.push(...batch)
      if (batch.includes(0)) await stopped.promise
    }
    const options = { most: 64, waits: isEven, settle, stop: () => stopped.resolve() }
    for await (const item of inBatches(numbers(), options)) {
      assert.equal(item, 3)
      break
    }
    assert.deepEqual(settled, [0, 2])
  })

  it('fail with what comes and with what is settled', async () => {
    async function* numbers() {
      yield* [0, 1]
      throw new Error('source')
    }
    const read = async (settle: () => Promise<void>) => {
      for await (const _ of inBatches(numbers(), { most: 1, waits: isEven, settle, stop: () => {} }));
    }
    await assert.rejects(
      read(async () => {}),
      /source/,
    )
    await assert.rejects(
      read(() => Promise.reject(new Error('disk'))),
      /disk/,
    )
  })
})
