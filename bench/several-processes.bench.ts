import { postgresMissing, startPostgres } from '../test/engines/postgres.ts'
import { type Attache, asked, type Item, uploadMany } from './attache.ts'
import { cpuSeconds } from './cpu.ts'
import { loadOn } from './load.ts'
import { median } from './median.ts'
import { nodesOver } from './nodes.ts'
import { alternate, rateLine, type Sample } from './rounds.ts'
import { type Row, WRK } from './row.ts'
import type { Stage } from './stage.ts'

// What costs a node most, beside what it costs the one who asks.
const ITEMS = 1000
const CONNECTIONS = 4

export const severalProcesses: Row = {
  id: 'P11',
  job: 'downloadurls, 1,000 known items per request, by two processes over one PostgreSQL',
  goal: '≥ 1.6 × one process, on 2 cores',
  needs: [WRK],
  async run(stage) {
    const missing = postgresMissing()
    if (missing !== undefined) throw new Error(missing)
    const postgres = await startPostgres()
    try {
      const nodes = await nodesOver(stage, { url: postgres.url, count: 2 })
      const [first] = nodes
      if (first === undefined) throw new Error('no node was started')
      const items = await uploadMany(first, ITEMS, new Uint8Array(100))
      const sides = await Promise.all(nodes.map((node) => sideOf(stage, node, items)))
      const found = await alternate('P11', {
        ours: (seconds) => together(sides, seconds),
        limit: (seconds) => together(sides.slice(0, 1), seconds),
      })
      const what = `links by two processes (${sharesOf(found.ours)} cores), against one (${sharesOf(found.limit)})`
      const perCore = { ours: found.ours.map(forEachCore), limit: found.limit.map(forEachCore) }
      return [
        rateLine(found, { what, unit: 'items/s', goal: { atLeast: 1.6 } }),
        // Other work on the machine takes cores from two processes that one would not have used: this says what they'd give.
        rateLine(perCore, { what: 'the same for each core that they were at work on', unit: 'items/s' }),
      ]
    } finally {
      await postgres.stop()
    }
  },
}

interface Shares extends Sample {
  /** Cores that each process was at work on. */
  cores: number[]
}

type Side = (seconds: number) => Promise<Sample & { cores: number }>

async function sideOf(stage: Stage, node: Attache, items: readonly Item[]): Promise<Side> {
  const request = { method: 'POST', path: node.downloadUrls, body: JSON.stringify(asked(items)) } as const
  const load = await loadOn(stage, { url: node.url, requests: [request], connections: CONNECTIONS })
  return async (seconds) => {
    const [before, started] = [cpuSeconds(node.pid), performance.now()]
    const { rate } = await load(seconds)
    const elapsedSeconds = (performance.now() - started) / 1000
    return { rate: rate * ITEMS, cores: (cpuSeconds(node.pid) - before) / elapsedSeconds }
  }
}

async function together(sides: readonly Side[], seconds: number): Promise<Shares> {
  const samples = await Promise.all(sides.map((side) => side(seconds)))
  const cores = samples.map((one) => one.cores)
  return { rate: sum(samples.map(({ rate }) => rate)), cores }
}

/** Of each process the median over the rounds, such as `0.93 + 0.91`. */
function sharesOf(samples: readonly Shares[]): string {
  const processes = samples[0]?.cores.keys() ?? []
  return [...processes].map((index) => median(samples.map(({ cores }) => cores[index] ?? 0)).toFixed(2)).join(' + ')
}

function forEachCore({ rate, cores }: Shares): Sample {
  return { rate: rate / sum(cores) }
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0)
}
