import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { AttacheError, type ErrorFacts } from './errors.ts'
import { DEFAULT_RETRY, pauseBefore, type Try } from './retry.ts'

const failed = (facts: Partial<ErrorFacts>) => new AttacheError('x', { kind: 'network', operation: 'test', ...facts })
const pause = (facts: Partial<ErrorFacts>, made: Partial<Try> = {}, random = 0.5) =>
  pauseBefore(
    failed(facts),
    { count: 1, elapsedMilliseconds: 0, repeatable: 'always', ...made },
    { policy: { ...DEFAULT_RETRY, tries: 9 }, random: () => random },
  )

describe('the pause before the next try', () => {
  it('is a random part of a span that doubles, up to a limit', () => {
    assert.equal(pause({}, {}, 0), 0)
    assert.equal(pause({}, {}, 1), 300)
    assert.equal(pause({}, { count: 2 }, 1), 600)
    assert.equal(pause({}, { count: 8 }, 1), 5000)
    assert.equal(pause({}, { count: 9 }), undefined)
  })

  it('is no shorter than Retry-After, and ends before the deadline', () => {
    assert.equal(pause({ kind: 'unavailable', retryAfterSeconds: 7 }), 7150)
    assert.equal(pause({ kind: 'unavailable', retryAfterSeconds: 121 }), undefined)
    assert.equal(pause({}, { elapsedMilliseconds: 119_900 }), undefined)
  })

  it('is for what may pass, where a call may be made twice', () => {
    for (const kind of ['network', 'timeout', 'rate-limited', 'unavailable', 'server'] as const)
      assert.equal(pause({ kind }), 150)
    for (const kind of ['invalid', 'unauthorized', 'not-found', 'protocol', 'integrity', 'usage'] as const)
      assert.equal(pause({ kind }), undefined)
  })

  it('is for what was never sent or was refused, where it may not', () => {
    const upload = { repeatable: 'unsent' } as const
    assert.equal(pause({ unsent: true }, upload), 150)
    assert.equal(pause({ kind: 'unavailable', status: 503, retryAfterSeconds: 1 }, upload), 1150)
    assert.equal(pause({ kind: 'rate-limited', status: 429, retryAfterSeconds: 0 }, upload), 150)
    assert.equal(pause({}, upload), undefined)
    assert.equal(pause({ kind: 'unavailable', status: 503 }, upload), undefined)
    assert.equal(pause({ kind: 'unavailable', status: 502, retryAfterSeconds: 1 }, upload), undefined)
  })
})
