import assert from 'node:assert/strict'
import { test } from 'node:test'
import { settableClock } from './clock.ts'

test('the clock runs on from where it was set, and goes back to the time of the machine', () => {
  const clock = settableClock()
  clock.set(Date.UTC(2030, 0, 1))
  const first = clock.now()
  assert.ok(first >= Date.UTC(2030, 0, 1) && first < Date.UTC(2030, 0, 1) + 1000)
  clock.advance(3600)
  assert.ok(clock.now() - first >= 3_600_000 && clock.now() - first < 3_601_000)
  clock.advance(-7200)
  assert.ok(clock.now() < first)
  clock.reset()
  assert.ok(Math.abs(clock.now() - Date.now()) < 100)
})

test('the clock refuses what is no date, and stays as it was', () => {
  const clock = settableClock()
  for (const wrong of [Number.NaN, -1, Number.POSITIVE_INFINITY, 8.64e15]) {
    assert.throws(() => clock.set(wrong), RangeError)
  }
  assert.throws(() => clock.advance(1e30), RangeError)
  assert.equal(clock.ahead(), 0)
})
