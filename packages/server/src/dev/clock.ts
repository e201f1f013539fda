/** The time that tokens and links go by, which a test moves. It runs on by itself from where it was set. */
export interface SettableClock {
  /** Unix time in milliseconds. */
  now(): number
  /** Unix time in milliseconds. */
  set(now: number): void
  advance(seconds: number): void
  /** Back to the time of this machine. */
  reset(): void
  /** How far it is ahead of this machine, in milliseconds. */
  ahead(): number
}

/** What ECMAScript can hold as a date. */
export const LATEST_TIME_MS = 8_640_000_000_000_000

export function settableClock(): SettableClock {
  let ahead = 0
  return {
    now: () => Date.now() + ahead,
    set: (now) => {
      ahead = inReach(now) - Date.now()
    },
    advance: (seconds) => {
      ahead = inReach(Date.now() + ahead + seconds * 1000) - Date.now()
    },
    reset: () => {
      ahead = 0
    },
    ahead: () => ahead,
  }
}

/** A year of room at the end: whatever expires is still a date. */
function inReach(now: number): number {
  if (!Number.isFinite(now) || now < 0 || now > LATEST_TIME_MS - 366 * 86_400_000) {
    throw new RangeError('a time is milliseconds since 1970, not negative, and a date that ECMAScript can hold')
  }
  return Math.round(now)
}
