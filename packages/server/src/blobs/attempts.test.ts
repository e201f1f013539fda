import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { Failure } from '../errors.ts'
import { attempts, TimedOut } from './attempts.ts'
import { handTiming } from './timing.fixture.ts'

class Passing extends Error {}
class Lasting extends Error {}

const mayPass = (error: unknown) => error instanceof Passing
const unavailable = (error: unknown) => error instanceof Failure && error.code === 'StorageUnavailable'

function failing(error: Error) {
  const calls: number[] = []
  const work = async (): Promise<never> => {
    calls.push(calls.length)
    throw error
  }
  return { calls, work }
}

describe('attempts', () => {
  it('try three times with a pause from nothing to 100, then 200 ms', async () => {
    for (const [chance, expected] of [
      [0, [0, 0, 0]],
      [0.5, [0, 50, 150]],
      [0.999, [0, 99.9, 299.7]],
    ] as const) {
      const timing = handTiming(chance)
      const at: number[] = []
      const ended = attempts({ mayPass, timing })(async () => {
        at.push(Math.round(timing.now() * 10) / 10)
        throw new Passing('busy')
      })
      const rejected = assert.rejects(
        ended,
        (error) => unavailable(error) && (error as Failure).cause instanceof Passing,
      )
      await timing.pass(1000)
      await rejected
      assert.deepEqual(at, expected)
    }
  })

  it('give the first answer', async () => {
    const timing = handTiming()
    let calls = 0
    const ended = attempts({ mayPass, timing })(async () => {
      if (++calls < 3) throw new Passing('busy')
      return 'here'
    })
    await timing.pass(1000)
    assert.equal(await ended, 'here')
    assert.equal(timing.pending(), 0)
  })

  it('throw on at once what does not pass', async () => {
    const { calls, work } = failing(new Lasting('not yours'))
    await assert.rejects(attempts({ mayPass, timing: handTiming() })(work), Lasting)
    assert.equal(calls.length, 1)
  })

  it('abort a try after its time, and end within ten seconds in all', async () => {
    for (const [tryMilliseconds, expected] of [
      [3000, [0, 3000, 6000]],
      [4000, [0, 4000, 8000]],
      [20_000, [0]],
    ] as const) {
      const timing = handTiming(0)
      const at: number[] = []
      const aborted: unknown[] = []
      let endedAt = 0
      const work = (signal: AbortSignal): Promise<never> => {
        at.push(timing.now())
        signal.addEventListener('abort', () => aborted.push(signal.reason))
        return new Promise(() => {})
      }
      const ended = assert
        .rejects(attempts({ mayPass, timing })(work, { tryMilliseconds }), unavailable)
        .finally(() => (endedAt = timing.now()))
      await timing.pass(20_000)
      await ended
      assert.deepEqual(at, expected)
      assert.equal(aborted.filter((reason) => reason instanceof TimedOut).length, at.length)
      assert.ok(endedAt <= 10_000, `${endedAt}`)
    }
  })

  it('are as many as was asked', async () => {
    const { calls, work } = failing(new Passing('busy'))
    await assert.rejects(attempts({ mayPass, timing: handTiming() })(work, { tries: 1 }), unavailable)
    assert.equal(calls.length, 1)
  })
})

describe('the breaker', () => {
  const once = { tries: 1 }

  async function opened() {
    const timing = handTiming()
    const run = attempts({ mayPass, timing })
    const { calls, work } = failing(new Passing('down'))
    for (let n = 0; n < 5; n++) await assert.rejects(run(work, once), unavailable)
    assert.equal(calls.length, 5)
    return { timing, run, calls, work }
  }

  it('opens after five failures in a row and answers at once, with how long to wait', async () => {
    const { timing, run, calls, work } = await opened()
    const after = (seconds: number) => (error: unknown) =>
      unavailable(error) && (error as Failure).retryAfterSeconds === seconds
    await assert.rejects(run(work), after(5))
    await timing.pass(3500)
    await assert.rejects(run(work), after(2))
    assert.equal(calls.length, 5)
  })

  it('ends an operation between two tries', async () => {
    const timing = handTiming(0)
    const { calls, work } = failing(new Passing('down'))
    const run = attempts({ mayPass, timing })
    const both = [1, 2].map(() => assert.rejects(run(work), unavailable))
    await timing.pass(1000)
    await Promise.all(both)
    assert.equal(calls.length, 5)
  })

  it('is not opened by four, nor by five with an answer between them', async () => {
    const run = attempts({ mayPass, timing: handTiming() })
    const { calls, work } = failing(new Passing('down'))
    for (const failures of [4, 4]) {
      for (let n = 0; n < failures; n++) await assert.rejects(run(work, once), unavailable)
      assert.equal(await run(async () => 'up'), 'up')
    }
    assert.equal(calls.length, 8)
  })

  it('is not moved by what says nothing of the store', async () => {
    const run = attempts({ mayPass, timing: handTiming() })
    const { work } = failing(new Lasting('the caller left'))
    for (let n = 0; n < 20; n++) await assert.rejects(run(work), Lasting)
    assert.equal(await run(async () => 'up'), 'up')
  })

  it('lets one through after five seconds, and closes when that is answered', async () => {
    const { timing, run } = await opened()
    await timing.pass(5000)
    const probe = Promise.withResolvers<string>()
    const probing = run(() => probe.promise)
    await assert.rejects(
      run(async () => 'second'),
      unavailable,
    )
    probe.resolve('up')
    assert.equal(await probing, 'up')
    assert.equal(await run(async () => 'all'), 'all')
  })

  it('stays open for five more seconds when the probe fails', async () => {
    const { timing, run, calls, work } = await opened()
    await timing.pass(5000)
    await assert.rejects(run(work, once), unavailable)
    assert.equal(calls.length, 6)
    await timing.pass(4999)
    await assert.rejects(run(work), unavailable)
    assert.equal(calls.length, 6)
    await timing.pass(1)
    assert.equal(await run(async () => 'up'), 'up')
  })

  it('lets the next one through when the probe said nothing of the store', async () => {
    const { timing, run } = await opened()
    await timing.pass(5000)
    await assert.rejects(run(failing(new Lasting('left')).work), Lasting)
    assert.equal(await run(async () => 'up'), 'up')
  })
})
