import { median, quantile } from './median.ts'
import type { Sample } from './rounds.ts'

/** `parallel` callers, each asking again once it has its answer. */
export async function inLanes(parallel: number, seconds: number, once: () => Promise<void>): Promise<Required<Lanes>> {
  const started = performance.now()
  const times: number[] = []
  async function lane(): Promise<void> {
    while (performance.now() - started < seconds * 1000) {
      const asked = performance.now()
      await once()
      times.push(performance.now() - asked)
    }
  }
  await Promise.all(Array.from({ length: parallel }, lane))
  const rate = times.length / ((performance.now() - started) / 1000)
  return { rate, count: times.length, p50Ms: median(times), p99Ms: quantile(times, 0.99) }
}

interface Lanes extends Omit<Sample, 'cpuPerUnit'> {
  count: number
}
