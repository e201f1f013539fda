export interface TimeSources {
  /** Unix time in milliseconds, which an operator or NTP may set back. */
  wall(): number
  /** Milliseconds from some moment on, which never go back. */
  elapsed(): number
}

/** A longer step back means that the time before it was wrong: what was dated by it is not worth keeping. */
export const MOST_STEP_BACK_MS = 86_400_000

/** Unix time in milliseconds that never goes back when the system's clock is set back: what has expired stays expired. */
export function steadyClock({ wall, elapsed }: TimeSources = SYSTEM): () => number {
  // The latest time that was seen, and when.
  let anchor = wall()
  let anchoredAt = elapsed()
  return () => {
    const told = wall()
    const since = elapsed()
    const floor = anchor + (since - anchoredAt)
    if (told < floor && floor - told <= MOST_STEP_BACK_MS) return Math.floor(floor)
    anchor = told
    anchoredAt = since
    return told
  }
}

const SYSTEM: TimeSources = { wall: Date.now, elapsed: () => performance.now() }
