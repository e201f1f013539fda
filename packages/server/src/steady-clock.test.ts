import assert from 'node:assert/strict'
import { test } from 'node:test'
import { MOST_STEP_BACK_MS, steadyClock } from './steady-clock.ts'

const NOON = Date.UTC(2026, 0, 2, 12)
const HOUR = 3_600_000

function stage() {
  const time = { wall: NOON, elapsed: 5000 }
  const now = steadyClock({ wall: () => time.wall, elapsed: () => time.elapsed })
  const pass = (milliseconds: number) => {
    time.wall += milliseconds
    time.elapsed += milliseconds
  }
  return { time, now, pass }
}

test('tells the time of the system as long as that runs on', () => {
  const { now, pass } = stage()
  pass(1234)
  assert.equal(now(), NOON + 1234)
})

test('follows a system that is set ahead, at once', () => {
  const { time, now } = stage()
  time.wall += HOUR
  assert.equal(now(), NOON + HOUR)
})

test('runs on from the latest time when the system is set back', () => {
  const { time, now, pass } = stage()
  pass(1000)
  assert.equal(now(), NOON + 1000)
  time.wall -= HOUR
  assert.equal(now(), NOON + 1000)
  pass(2500)
  assert.equal(now(), NOON + 3500)
})

test('is the time of the system again once that has come by', () => {
  const { time, now, pass } = stage()
  now()
  time.wall -= HOUR
  now()
  pass(10)
  time.wall += HOUR + 5
  assert.equal(now(), NOON + 15)
})

test('takes a step back of more than a day for a mistake that ended', () => {
  const { time, now } = stage()
  time.wall += 10 * MOST_STEP_BACK_MS
  now()
  time.wall = NOON
  assert.equal(now(), NOON)
})

test('is never behind itself while the clocks drift apart', () => {
  const { time, now } = stage()
  let last = now()
  for (let tick = 0; tick < 1000; tick++) {
    time.elapsed += 1.37
    time.wall += tick % 3 === 0 ? 0 : 2
    assert.ok(now() >= last)
    last = now()
  }
})
