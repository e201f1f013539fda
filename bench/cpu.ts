import { readFileSync } from 'node:fs'
import { cpus } from 'node:os'
import { setTimeout as pause } from 'node:timers/promises'
import type { Sample } from './rounds.ts'

// USER_HZ, which is 100 on every Linux that Node runs on.
const TICKS_PER_SECOND = 100

/** CPU seconds that a process has used so far, with all of its threads, in user and kernel mode (proc(5), fields 14 and 15). */
export function cpuSeconds(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'latin1')
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND
}

/** The same measurement, with the CPU seconds that process `pid` spent on one unit of it: a busy machine changes those little. */
export function withCpu<S extends Sample>(pid: number, measure: (seconds: number) => Promise<S>) {
  return async (seconds: number): Promise<S> => {
    const [before, started] = [cpuSeconds(pid), performance.now()]
    const sample = await measure(seconds)
    const units = (sample.rate * (performance.now() - started)) / 1000
    return { ...sample, cpuPerUnit: (cpuSeconds(pid) - before) / units }
  }
}

/** The share of this machine's cores that is at work, 0–1, looked at for a second. */
export async function busyShare(): Promise<number> {
  const before = ticks()
  await pause(1000)
  const after = ticks()
  return 1 - (after.idle - before.idle) / (after.all - before.all)
}

function ticks(): { all: number; idle: number } {
  const times = cpus().map((core) => core.times)
  const all = times.flatMap((one) => Object.values(one)).reduce((sum, part) => sum + part, 0)
  return { all, idle: times.reduce((sum, { idle }) => sum + idle, 0) }
}
