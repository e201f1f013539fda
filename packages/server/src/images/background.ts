import { existsSync, readFileSync } from 'node:fs'
import { setPriority } from 'node:os'

// Of util-linux, which nearly every Linux has.
const CHRT = '/usr/bin/chrt'
const LOW_PRIORITY = 10
// What Linux counts processor time in, on every architecture that Node runs on.
const TICK_MS = 10
const STARVING_MS = 500
const LEAST_SHARE = 1 / 4

/**
 * How to start a program in Node that gives way to everything else: a process of the idle class is taken off its processor
 * the moment another wants it, where one of low priority keeps it for a slice of milliseconds. Arguments for `fork`.
 */
export function givingWay(): { execPath?: string; execArgv: string[] } {
  if (process.platform !== 'linux' || !existsSync(CHRT)) return { execArgv: [] }
  return { execPath: CHRT, execArgv: ['--idle', '0', process.execPath] }
}

/** At once, so that the threads of a child, which inherit it one by one, and the start itself have it as well. */
export function lowerPriority(pid: number | undefined): void {
  try {
    if (pid !== undefined) setPriority(pid, LOW_PRIORITY)
  } catch (error) {
    // Some containers forbid it, and the child may be gone already; the pictures are right all the same.
    if (!(error instanceof Error)) throw error
  }
}

/** Looks at how much of the time from here on a process gets a processor for. Known only where there is a `/proc`. */
export function shareOf(pid: number | undefined) {
  const [startedAt, before] = [performance.now(), processorMs(pid)]
  return {
    /** Whether it has waited long for processors that others had. */
    isStarving(): boolean {
      const [passed, now] = [performance.now() - startedAt, processorMs(pid)]
      if (before === undefined || now === undefined) return false
      return passed > STARVING_MS && now - before < passed * LEAST_SHARE
    },
  }
}

function processorMs(pid: number | undefined): number | undefined {
  try {
    const line = readFileSync(`/proc/${pid}/stat`, 'latin1')
    // proc(5): the name of the program, in parentheses, may hold anything; utime and stime are fields 14 and 15.
    const [user, system] = line
      .slice(line.lastIndexOf(')') + 2)
      .split(' ')
      .slice(11, 13)
    return (Number(user) + Number(system)) * TICK_MS
  } catch (error) {
    if (error instanceof Error && 'code' in error) return undefined
    throw error
  }
}
