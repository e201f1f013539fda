import { Failure } from '../errors.ts'
import { breaker, type Outcome } from './breaker.ts'

/** One operation on the store, tried until it answers, fails for good, or has had its time. */
export type Attempts = <T>(work: (signal: AbortSignal) => Promise<T>, options?: AttemptOptions) => Promise<T>

export interface AttemptOptions {
  /** For what can't be done twice, or need not. */
  tries?: number
  /** After this long the signal of a try is aborted, and the try counts as failed. */
  tryMilliseconds?: number
}

export interface AttemptsOptions {
  /** Whether the same may succeed a moment later; all else is thrown on as it is. */
  mayPass(error: unknown): boolean
  timing?: Timing
}

/** What depends on the time and on chance, for tests to hold still. */
export interface Timing {
  /** Milliseconds, never stepping back. */
  now(): number
  /** From 0 to just below 1. */
  random(): number
  /** Runs something later; gives what cancels it. */
  after(milliseconds: number, run: () => void): () => void
}

/** A try, or a body, took longer than it was given. */
export class TimedOut extends Error {
  override readonly name = 'TimedOut'
}

const MOST_TRIES = 3
const TRY_MS = 3000
// A caller is to be answered within ten seconds, and the rest of a request takes its time as well.
const ALL_MS = 9500
const BASE_DELAY_MS = 100

export const realTiming: Timing = {
  now: () => performance.now(),
  random: Math.random,
  after(milliseconds, run) {
    const timer = setTimeout(run, milliseconds)
    return () => clearTimeout(timer)
  },
}

/**
 * Up to three tries with full jitter between them, less than ten seconds in all, behind a breaker. What is tried must be
 * safe to do twice: a try whose answer was lost may have been done. Used up, or given up on, it is `StorageUnavailable`.
 */
export function attempts({ mayPass, timing = realTiming }: AttemptsOptions): Attempts {
  const { admit } = breaker(timing)

  async function once<T>(work: (signal: AbortSignal) => Promise<T>, milliseconds: number): Promise<T> {
    const ended = admit()
    let outcome: Outcome = 'unknown'
    try {
      const result = await inTime(work, { milliseconds, timing })
      outcome = 'good'
      return result
    } catch (error) {
      if (passes(error)) outcome = 'bad'
      throw error
    } finally {
      ended(outcome)
    }
  }

  const passes = (error: unknown) => error instanceof TimedOut || mayPass(error)

  return async (work, { tries = MOST_TRIES, tryMilliseconds = TRY_MS } = {}) => {
    const deadline = timing.now() + ALL_MS
    for (let tried = 1; ; tried++) {
      try {
        return await once(work, Math.max(1, Math.min(tryMilliseconds, deadline - timing.now())))
      } catch (error) {
        if (!passes(error)) throw error
        const delay = timing.random() * BASE_DELAY_MS * 2 ** (tried - 1)
        const used = tried >= tries || timing.now() + delay >= deadline
        if (used) throw new Failure('StorageUnavailable', { cause: error })
        await new Promise<void>((resolve) => timing.after(delay, resolve))
      }
    }
  }
}

/** Rejects at the time even where the work does not heed its signal. */
async function inTime<T>(
  work: (signal: AbortSignal) => Promise<T>,
  { milliseconds, timing }: { milliseconds: number; timing: Timing },
): Promise<T> {
  const controller = new AbortController()
  const late = Promise.withResolvers<never>()
  const cancel = timing.after(milliseconds, () => {
    const error = new TimedOut(`the store did not answer within ${Math.round(milliseconds)} ms`)
    late.reject(error)
    controller.abort(error)
  })
  try {
    return await Promise.race([work(controller.signal), late.promise])
  } finally {
    cancel()
  }
}
