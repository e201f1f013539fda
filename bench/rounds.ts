import { median } from './median.ts'
import type { Line } from './row.ts'

export interface Turns {
  rounds: number
  /** Of one side in one round. */
  seconds: number
}

/** What else runs on a machine comes and goes within seconds: it weighs on both sides of a round that is as short. */
const SHORT: Turns = turnsOf({ rounds: 15, seconds: 1 })
/** Where one answer may take a second. */
export const LONG: Turns = turnsOf({ rounds: 5, seconds: 3 })
// A server compiles its hot paths for seconds: a shorter warm-up measures that.
const WARM_UP_SECONDS = 5

export interface Sample {
  /** In the unit of the row, per second. */
  rate: number
  p50Ms?: number
  p99Ms?: number
  /** CPU seconds of the process that served. */
  cpuPerUnit?: number
}

export interface Sides<Ours extends Sample = Sample, Limit extends Sample = Sample> {
  ours(seconds: number): Promise<Ours>
  limit(seconds: number): Promise<Limit>
  turns?: Turns
}

/** Warms both sides up, then lets them take turns, each beginning every other round: what drifts weighs on both. */
export async function alternate<Ours extends Sample, Limit extends Sample>(
  name: string,
  { ours, limit, turns: { rounds, seconds } = SHORT }: Sides<Ours, Limit>,
): Promise<{ ours: Ours[]; limit: Limit[] }> {
  const found: { ours: Ours[]; limit: Limit[] } = { ours: [], limit: [] }
  await ours(WARM_UP_SECONDS)
  await limit(WARM_UP_SECONDS)
  for (let round = 0; round < rounds; round++) {
    if (round % 2 === 1) found.limit.push(await limit(seconds))
    found.ours.push(await ours(seconds))
    if (round % 2 === 0) found.limit.push(await limit(seconds))
    const [mine, theirs] = [found.ours[round]?.rate ?? 0, found.limit[round]?.rate ?? 0]
    console.error(`${name}  round ${round + 1}: ${short(mine)} of ${short(theirs)} = ${(mine / theirs).toFixed(3)}`)
  }
  return found
}

function turnsOf({ rounds, seconds }: Turns): Turns {
  const { BENCH_ROUNDS, BENCH_SECONDS } = process.env
  return { rounds: Number(BENCH_ROUNDS ?? rounds), seconds: Number(BENCH_SECONDS ?? seconds) }
}

/** Of the rounds' own ratios, not of the medians: each compares two measurements that lie side by side in time. */
export function ratioOf(ours: readonly number[], limit: readonly number[]): Line['ratio'] {
  const ratios = ours.map((value, round) => value / (limit[round] ?? Number.NaN))
  return { median: median(ratios), least: Math.min(...ratios), most: Math.max(...ratios) }
}

/** The line that compares rates. */
export function rateLine(
  { ours, limit }: { ours: Sample[]; limit: Sample[] },
  line: Pick<Line, 'what' | 'goal' | 'note'> & { unit: string },
): Line {
  const { unit, ...rest } = line
  const [mine, theirs] = [ours.map(({ rate }) => rate), limit.map(({ rate }) => rate)]
  return {
    ...rest,
    ours: `${short(median(mine))} ${unit}${cpuOf(ours)}`,
    limit: `${short(median(theirs))} ${unit}${cpuOf(limit)}`,
    ratio: ratioOf(mine, theirs),
    ...latency(ours),
  }
}

function cpuOf(samples: readonly Sample[]): string {
  const costs = samples.flatMap(({ cpuPerUnit }) => cpuPerUnit ?? [])
  if (costs.length === 0) return ''
  const cost = median(costs)
  return cost < 0.01 ? `, ${short(cost * 1_000_000)} µs CPU` : `, ${short(cost)} s CPU`
}

/** Medians over the rounds. */
export function latency(samples: readonly Sample[]): Pick<Line, 'p50Ms' | 'p99Ms'> {
  const [p50, p99] = [samples.flatMap(({ p50Ms }) => p50Ms ?? []), samples.flatMap(({ p99Ms }) => p99Ms ?? [])]
  return { p50Ms: p50.length ? median(p50) : undefined, p99Ms: p99.length ? median(p99) : undefined }
}

export function short(value: number): string {
  return value >= 1000 ? Math.round(value).toLocaleString('en') : value.toPrecision(3)
}
