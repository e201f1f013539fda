import type { Timing } from './attempts.ts'

export interface HandTiming extends Timing {
  /** Runs all that is due by then, in order, and lets what waits for it go on. */
  pass(milliseconds: number): Promise<void>
  /** How many runs are still to come. */
  pending(): number
}

/** A clock that moves when it is told to, and chance that always falls on `chance`. */
export function handTiming(chance = 0.5): HandTiming {
  let time = 0
  const due = new Map<() => void, number>()

  return {
    now: () => time,
    random: () => chance,
    after(milliseconds, run) {
      const once = () => run()
      due.set(once, time + milliseconds)
      return () => due.delete(once)
    },
    async pass(milliseconds) {
      const end = time + milliseconds
      for (;;) {
        await new Promise(setImmediate)
        const [next] = [...due].filter(([, at]) => at <= end).sort(([, one], [, other]) => one - other)
        if (next === undefined) break
        time = Math.max(time, next[1])
        due.delete(next[0])
        next[0]()
      }
      time = end
    },
    pending: () => due.size,
  }
}
