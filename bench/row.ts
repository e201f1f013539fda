import type { Stage } from './stage.ts'

/** One number of SPEED's table: what it measures, and how. */
export interface Row {
  id: string
  job: string
  /** In words, as the table shows it. */
  goal: string
  /** Programs of the system that have to be there, with what installs them. */
  needs: readonly Tool[]
  run(stage: Stage): Promise<Line[]>
}

export interface Tool {
  program: string
  install: string
}

export const WRK: Tool = { program: 'wrk', install: 'apt-get install -y wrk' }
export const NGINX: Tool = { program: 'nginx', install: 'apt-get install -y nginx-light' }

/** One line of the table; a row gives one for each thing it judges. */
export interface Line {
  what: string
  ours: string
  limit: string
  /** Of the rounds: the median and the two ends. */
  ratio: { median: number; least: number; most: number }
  /** None where a figure is told for its own sake. */
  goal?: { atLeast: number } | { atMost: number }
  /** Milliseconds of ours. */
  p50Ms?: number | undefined
  p99Ms?: number | undefined
  note?: string
}

export function passes({ ratio, goal }: Pick<Line, 'ratio' | 'goal'>): boolean {
  if (goal === undefined) return true
  return 'atLeast' in goal ? ratio.median >= goal.atLeast : ratio.median <= goal.atMost
}
