import { PATHS } from '@attache/protocol'
import { OPS_PATHS } from '../routes/ops.ts'
import { type Hint, hint, quoted } from './hint.ts'

export const DEV_PATHS = {
  faults: '/dev/faults',
  clock: '/dev/clock',
  reset: '/dev/reset',
  requests: '/dev/requests',
  attachments: '/dev/attachments',
} as const

const KNOWN = [
  ...Object.values(PATHS).map((path) => path.replace(':dollarFlowId', '$<flowId>')),
  ...Object.values(OPS_PATHS),
  ...Object.values(DEV_PATHS),
]

export function unknownPathHint(path: string): Hint {
  const nearest = nearestPath(path)
  const [en, zh] = nearest === undefined ? ['', ''] : [`; the nearest one is ${nearest}`, `；最接近的是${nearest}`]
  return hint('unknown-path', `there is no path ${quoted(path)}${en}`, `没有路径${quoted(path)}${zh}`)
}

export function wrongMethodHint(method: string, allowed: unknown): Hint {
  const which = allowed === undefined ? 'GET, HEAD' : String(allowed)
  return hint('wrong-method', `${method} does not work here: use ${which}`, `此处不支持${method}：请使用${which}`)
}

/** The known path that takes the fewest changes, unless all are too far. A missing beginning counts little: that is what callers forget. */
export function nearestPath(path: string): string | undefined {
  const asked = path.replace(/\/+$/, '').replace(/\/{2,}/g, '/')
  const all = KNOWN.map((known) => ({
    known,
    far: known.endsWith(asked) && asked.length > 3 ? 1 : distance(asked.toLowerCase(), known.toLowerCase()),
  }))
  const best = all.reduce((one, other) => (other.far < one.far ? other : one))
  return best.far <= Math.max(3, best.known.length / 2) ? best.known : undefined
}

const LONGEST = 200

/** Levenshtein's: how many characters to add, take away or change. */
export function distance(from: string, to: string): number {
  const [a, b] = [from.slice(0, LONGEST), to.slice(0, LONGEST)]
  let before = Array.from({ length: b.length + 1 }, (_, column) => column)
  for (let row = 1; row <= a.length; row++) {
    const line = [row]
    for (let column = 1; column <= b.length; column++) {
      const change = (before[column - 1] ?? 0) + (a[row - 1] === b[column - 1] ? 0 : 1)
      line.push(Math.min(change, (before[column] ?? 0) + 1, (line[column - 1] ?? 0) + 1))
    }
    before = line
  }
  return before[b.length] ?? 0
}
