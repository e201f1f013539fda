/** F4: a mix of everything for a while, at about 70 % of what the callers could ask; what grows meanwhile. */
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { type Attache, startAttache } from '../server.ts'
import { mixOf } from './f-mix.ts'
import { INSPECTED, liveHeapMib } from './live-heap.ts'
import { descriptors, machineIsBusy, rssMib, threads } from './machine.ts'
import { manyRecords } from './many-records.ts'
import { row } from './stage.ts'

const WORKERS = 4
/** Of the time of each request, spent at rest. */
const REST = 0.43
/** More than the service remembers: what it keeps of attachments is as large as it gets before the measuring begins. */
const KNOWN = 60_000
const AT_ONCE = 100
const GROWS_MIB_PER_MINUTE = 1
const GROWS_AT_MOST = 0.1
const FLAT = 5
/** Of what is left after a collection; what is remembered has reached its bounds before. */
const LIVE_GROWS_MIB = 2
const TOKENS = 20_000
const LAG_MS = 50

await row('F4', async (stage) => {
  const { random, full, directory } = stage
  const attache = await startWarm(join(directory, 'data'))
  stage.defer(() => attache.kill())
  const [warmUpMs, soakMs] = full ? [300_000, 3_600_000] : [120_000, 120_000]
  const count = { done: 0, failed: 0 }
  const going = { on: true }
  const kinds = await mixOf(attache, random)

  async function worker(): Promise<void> {
    while (going.on) {
      const started = performance.now()
      const call = kinds[Math.floor(random() * kinds.length)]
      await call?.().then(
        () => count.done++,
        (error) => {
          if (count.failed++ === 0) console.log(error)
        },
      )
      await pause((performance.now() - started) * REST)
    }
  }

  const workers = Array.from({ length: WORKERS }, worker)
  await pause(warmUpMs / 2)
  const liveBefore = await liveHeapMib(attache)
  // A collection gives memory back that is taken up again.
  await pause(warmUpMs / 2)
  await lagMs(attache)
  const before = amounts(attache)
  const samples: [number, number][] = []
  const started = performance.now()
  while (performance.now() - started < soakMs) {
    samples.push([(performance.now() - started) / 60_000, rssMib(attache.pid)])
    await pause(250)
  }
  const lag = await lagMs(attache)
  going.on = false
  await Promise.all(workers)
  await pause(1000)
  const after = amounts(attache)
  const live = await liveHeapMib(attache)
  await attache.stop()

  const { slope, error } = fitted(samples)
  const grown = after.rss / before.rss - 1
  const flat = after.fds - before.fds <= FLAT + 2 * WORKERS && after.threads - before.threads <= FLAT
  // In two minutes the collector's own rhythm is larger than any slope: there it counts only where it grows at all.
  const steady = grown < GROWS_AT_MOST && (slope - 2 * error <= GROWS_MIB_PER_MINUTE || (!full && grown <= 0.05))
  const ok =
    flat && steady && live - liveBefore <= LIVE_GROWS_MIB && count.failed === 0 && (lag <= LAG_MS || machineIsBusy())
  const figure = `${Math.round(soakMs / 1000)} s, ${count.done} requests, ${count.failed} failed: RSS ${Math.round(before.rss)} to ${Math.round(after.rss)} MiB, slope ${slope.toFixed(1)} ± ${(2 * error).toFixed(1)} MiB a minute; live heap ${liveBefore.toFixed(1)} to ${live.toFixed(1)} MiB; descriptors ${before.fds} to ${after.fds}, threads ${before.threads} to ${after.threads}; loop lag p99 ${lag.toFixed(0)} ms${machineIsBusy() ? ', on a machine busy with other work' : ''}`
  return { ok, figure }
})

function amounts({ pid }: Attache) {
  return { rss: rssMib(pid), fds: descriptors(pid), threads: threads(pid) }
}

async function startWarm(data: string): Promise<Attache> {
  const { corporationId, ...first } = await startAttache({ data })
  await first.stop()
  const pairs = manyRecords(data, { corporationId, count: KNOWN })
  const attache = await startAttache({ data, env: INSPECTED })
  for (let from = 0; from < KNOWN; from += AT_ONCE) {
    await attache.links(pairs.slice(from, from + AT_ONCE).map((pair) => ({ ...pair, expiration: 1000 })))
  }
  for (let taken = 0; taken < TOKENS; taken += AT_ONCE) {
    await Promise.all(Array.from({ length: AT_ONCE }, () => attache.token()))
  }
  return attache
}

/** Since the last look. */
async function lagMs({ url }: Attache): Promise<number> {
  const text = await (await fetch(`${url}/metrics`)).text()
  return Number(/^nodejs_eventloop_lag_p99_seconds (\S+)/m.exec(text)?.[1]) * 1000
}

/** Least squares; `error` is the slope's standard error. */
function fitted(samples: readonly [number, number][]): { slope: number; error: number } {
  const count = samples.length
  const meanX = samples.reduce((sum, [x]) => sum + x, 0) / count
  const meanY = samples.reduce((sum, [, y]) => sum + y, 0) / count
  const spread = samples.reduce((sum, [x]) => sum + (x - meanX) ** 2, 0)
  const slope = samples.reduce((sum, [x, y]) => sum + (x - meanX) * (y - meanY), 0) / spread
  const rest = samples.reduce((sum, [x, y]) => sum + (y - meanY - slope * (x - meanX)) ** 2, 0)
  return { slope, error: Math.sqrt(rest / (count - 2) / spread) }
}
