import { type AttacheError, isTransient } from './errors.ts'

export interface RetryPolicy {
  /** How often a call is made at most, the first time included. Default 3; 1 switches retries off. */
  tries: number
  /** The first pause is a random part of this, the next of twice this, and so on. Default 300. */
  baseMilliseconds: number
  /** The longest pause that is not asked for by Retry-After. Default 5000. */
  maxMilliseconds: number
  /** All tries of one call and the pauses between them. An upload begins no try after it; a download counts from its last progress. Default 120 000. */
  deadlineMilliseconds: number
}

export const DEFAULT_RETRY: RetryPolicy = {
  tries: 3,
  baseMilliseconds: 300,
  maxMilliseconds: 5000,
  deadlineMilliseconds: 120_000,
}

export interface Try {
  /** Of this call, from 1. */
  count: number
  elapsedMilliseconds: number
  /** `always` for calls that may be made twice; `unsent` for one that may not, unless the server can't have done it. */
  repeatable: 'always' | 'unsent'
}

/** How long to wait before the next try, or `undefined` when there is none. */
export function pauseBefore(
  failure: AttacheError,
  { count, elapsedMilliseconds, repeatable }: Try,
  { policy, random }: { policy: RetryPolicy; random: () => number },
): number | undefined {
  if (count >= policy.tries || !mayRepeat(failure, repeatable)) return undefined
  // Full jitter: callers that failed together don't come back together.
  const most = Math.min(policy.maxMilliseconds, policy.baseMilliseconds * 2 ** (count - 1))
  const pause = (failure.retryAfterSeconds ?? 0) * 1000 + random() * most
  return elapsedMilliseconds + pause < policy.deadlineMilliseconds ? pause : undefined
}

function mayRepeat(failure: AttacheError, repeatable: Try['repeatable']): boolean {
  if (repeatable === 'always') return isTransient(failure)
  const refused = failure.status === 503 || failure.status === 429
  return failure.unsent === true || (refused && failure.retryAfterSeconds !== undefined)
}
