import { Failure } from '../errors.ts'

/** How an exchange with the store ended; `unknown` says nothing of the store, as when the caller left. */
export type Outcome = 'good' | 'bad' | 'unknown'

export interface Breaker {
  /** Lets an exchange begin, and is told how it ended; throws `StorageUnavailable` at once while the store is given up on. */
  admit(): (outcome: Outcome) => void
}

// In a row, over all exchanges.
const FAILURES_TO_OPEN = 5
const PROBE_AFTER_MS = 5000

/** Gives up on a store that keeps failing, so that nobody waits for it, and lets one exchange through now and then to see. */
export function breaker({ now }: { now(): number }): Breaker {
  let failures = 0
  let openedAt: number | undefined
  let probing = false

  function refuse(milliseconds: number): never {
    throw new Failure('StorageUnavailable', { retryAfterSeconds: Math.max(1, Math.ceil(milliseconds / 1000)) })
  }

  function note(outcome: Outcome, isProbe: boolean): void {
    if (isProbe) probing = false
    if (outcome === 'good') {
      failures = 0
      openedAt = undefined
    } else if (outcome === 'bad') {
      failures++
      // One that began before the store was given up on does not put the probe off.
      const opens = openedAt === undefined ? failures >= FAILURES_TO_OPEN : isProbe
      if (opens) openedAt = now()
    }
  }

  return {
    admit() {
      if (openedAt === undefined) return (outcome) => note(outcome, false)
      const left = openedAt + PROBE_AFTER_MS - now()
      if (left > 0 || probing) refuse(left)
      probing = true
      return (outcome) => note(outcome, true)
    },
  }
}
