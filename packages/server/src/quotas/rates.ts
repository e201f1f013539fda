import { boundedCache } from '../bounded-cache.ts'

const MINUTE_MS = 60_000
const KNOWN = 100_000

interface Bucket {
  left: number
  /** Unix time in milliseconds. */
  at: number
}

/**
 * So many a minute: a bucket that holds one minute's worth and is filled evenly, so that a burst passes and a stream is
 * held to the rate. Kept in this process: behind several nodes each of them lets as many through.
 */
export function rates(now: () => number) {
  const buckets = boundedCache<Bucket>(KNOWN)

  /** Takes `count` out of the bucket, or nothing: then the milliseconds until there will be as many. */
  return (name: string, count: number, perMinute: number): number => {
    const at = now()
    const known = buckets.get(name)
    const filled = known ? known.left + (Math.max(0, at - known.at) * perMinute) / MINUTE_MS : perMinute
    const left = Math.min(perMinute, filled)
    if (left < count) {
      buckets.set(name, { left, at })
      return perMinute === 0 ? MINUTE_MS : Math.ceil(((count - left) * MINUTE_MS) / perMinute)
    }
    buckets.set(name, { left: left - count, at })
    return 0
  }
}
