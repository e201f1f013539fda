import type { FastifyRequest } from 'fastify'
import type { Hint } from './hint.ts'

/** What was asked, as it came. Nothing of the query is kept: it holds tokens and signatures. */
export interface SeenRequest {
  /** By the settable clock, Unix milliseconds. */
  at: number
  method: string
  /** Decoded. */
  path: string
  /** Not set while the answer has not begun. */
  status?: number
  range?: string
  ifMatch?: string
  /** The fault it met: a preset's name, or `#` and its id. */
  fault?: string
  hints: Hint[]
}

export interface PathCount {
  count: number
  /** How often each status was answered. */
  statuses: Record<string, number>
  /** The `Range` headers that came, in order. */
  ranges: string[]
}

export interface RequestReport {
  count: number
  paths: Record<string, PathCount>
  /** The newest 1,000, oldest first. */
  requests: SeenRequest[]
}

export type RequestLog = ReturnType<typeof requestLog>

const MOST_REQUESTS = 1000
const MOST_PATHS = 1000
const MOST_RANGES = 1000

/** Which requests came, for tests to look at. */
export function requestLog(now: () => number) {
  const byRequest = new WeakMap<FastifyRequest, SeenRequest>()
  let seen: SeenRequest[] = []
  let count = 0
  const paths = new Map<string, PathCount>()

  function countOf(path: string): PathCount {
    const known = paths.get(path)
    if (known) return known
    const fresh: PathCount = { count: 0, statuses: {}, ranges: [] }
    if (paths.size < MOST_PATHS) paths.set(path, fresh)
    return fresh
  }

  return {
    came(request: FastifyRequest): void {
      const { range, 'if-match': ifMatch } = request.headers
      const path = pathOf(request)
      const entry: SeenRequest = { at: now(), method: request.method, path, hints: [] }
      if (range !== undefined) entry.range = range
      if (ifMatch !== undefined) entry.ifMatch = ifMatch
      byRequest.set(request, entry)
      seen.push(entry)
      if (seen.length > MOST_REQUESTS) seen.shift()
      count++
      const counted = countOf(path)
      counted.count++
      if (range !== undefined && counted.ranges.length < MOST_RANGES) counted.ranges.push(range)
    },
    /** The entry of a request that is under way. */
    of: (request: FastifyRequest): SeenRequest | undefined => byRequest.get(request),
    answered(request: FastifyRequest, status: number): void {
      const entry = byRequest.get(request)
      if (entry === undefined || entry.status !== undefined) return
      entry.status = status
      // Not there when the log was cleared meanwhile.
      const counted = paths.get(entry.path)
      if (counted) counted.statuses[status] = (counted.statuses[status] ?? 0) + 1
    },
    /** All of it, or what concerns one path; one that ends in `*` stands for all that begin so. */
    report(wanted = '*'): RequestReport {
      const fits = (path: string) => (wanted.endsWith('*') ? path.startsWith(wanted.slice(0, -1)) : path === wanted)
      const counted = [...paths].filter(([path]) => fits(path))
      return {
        count: wanted === '*' ? count : counted.reduce((sum, [, one]) => sum + one.count, 0),
        paths: Object.fromEntries(counted),
        requests: seen.filter(({ path }) => fits(path)),
      }
    },
    clear(): void {
      seen = []
      count = 0
      paths.clear()
    },
  }
}

/** The path that was asked for, decoded, without its query; one that can't be decoded as it came. */
export function pathOf({ originalUrl }: FastifyRequest): string {
  const mark = originalUrl.indexOf('?')
  const path = mark === -1 ? originalUrl : originalUrl.slice(0, mark)
  try {
    return decodeURIComponent(path)
  } catch (error) {
    if (error instanceof URIError) return path
    throw error
  }
}
