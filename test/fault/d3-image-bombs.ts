/** D3: forty hostile pictures: each is answered in time, no process grows, and a caller who asks for links meanwhile hardly notices. */
import { readdirSync, readFileSync } from 'node:fs'
import { setTimeout as pause } from 'node:timers/promises'
import { type Attache, type Link, startAttache } from '../server.ts'
import { hostileImages } from './d-hostile-images.ts'
import { row, type Stage, type Verdict } from './stage.ts'

const MOST_MS = 5500
const MOST_RENDERER_MB = 512
const MOST_GROWTH_MB = 64
const MOST_TIMES_IDLE = 3
/** Below this a comparison of two times says nothing on a machine that does other work. */
const LEAST_MS = 8
const AT_ONCE = 8

interface Memory {
  server: number
  renderer: number
  renderers: number
}

async function prove({ directory, random, full, defer }: Stage): Promise<Verdict> {
  const attache = await startAttache({ data: directory, env: { ATTACHE_DURABILITY: 'relaxed' } })
  defer(() => attache.stop())
  const images = await hostileImages(random)
  const usual = await attache.upload('usual.txt', Buffer.from('x'))
  const ask = () => attache.links([{ id: usual.fileId, key: usual.key, expiration: 100 }])
  const alone = await uploaded(attache, images)
  const together = await uploaded(attache, Array.from({ length: full ? 5 : 1 }, () => images).flat())
  await askFor(ask, 2000)
  const before = await idleP99(ask, attache.pid)
  const memory = watch(attache.pid)
  const wrong: string[] = []
  let slowest = { name: '', ms: 0 }
  for (const { name, link } of alone) {
    const started = performance.now()
    const status = await rendered(link)
    const ms = performance.now() - started
    if (ms > slowest.ms) slowest = { name, ms }
    if (status !== 200 && (status < 400 || status >= 500)) wrong.push(`${name}: ${status}`)
    if (ms > MOST_MS) wrong.push(`${name}: ${Math.round(ms)} ms`)
  }
  const over = { value: false }
  const others = askFor(ask, 600_000, over)
  const busy = await storm(together)
  over.value = true
  const p99 = await others
  const most = memory.stop()
  // Whatever else the machine does meanwhile slows the idle times as well.
  const idle = Math.max(before, await idleP99(ask, attache.pid))
  for (const { name, link } of alone)
    if ((await fetch(link.url)).status !== 200) wrong.push(`${name}: the original is gone`)
  if (most.server > MOST_GROWTH_MB) wrong.push(`the server grew by ${most.server} MB`)
  if (most.renderer > MOST_RENDERER_MB) wrong.push(`a renderer of ${most.renderer} MB`)
  if (most.renderers > 2) wrong.push(`${most.renderers} renderers`)
  if (p99 > Math.max(MOST_TIMES_IDLE * idle, LEAST_MS)) wrong.push(`p99 ${p99} ms`)
  const faults = attache
    .stderr()
    .split('\n')
    .filter((line) => /"level":[56]0/.test(line))
  wrong.push(...faults.map((line) => line.slice(0, 300)))
  for (const line of wrong) console.log(line)
  const figure = `${images.length} images: slowest ${Math.round(slowest.ms)} ms (${slowest.name}), server +${most.server} MB, renderer ${most.renderer} MB at most, ${most.renderers} at once; storm: ${busy} of ${together.length} told to come again, p99 of downloadurls ${p99.toFixed(1)} ms, idle ${idle.toFixed(1)} ms; ${wrong.length} wrong`
  return { ok: wrong.length === 0, figure }
}

async function uploaded(
  attache: Attache,
  images: readonly { name: string; bytes: Buffer }[],
): Promise<{ name: string; link: Link }[]> {
  const found = []
  for (const { name, bytes } of images)
    found.push({ name, link: await attache.linkOf(await attache.upload(name, Buffer.from(bytes))) })
  return found
}

async function rendered({ thumbUrl }: Link): Promise<number> {
  const response = await fetch(thumbUrl)
  await response.arrayBuffer()
  return response.status
}

/** How many were answered 503, which is right when many come at once. */
async function storm(images: readonly { link: Link }[]): Promise<number> {
  const waiting = [...images]
  let busy = 0
  async function caller(): Promise<void> {
    for (let next = waiting.pop(); next; next = waiting.pop()) if ((await rendered(next.link)) === 503) busy++
  }
  await Promise.all(Array.from({ length: AT_ONCE }, caller))
  return busy
}

/** The p99 of asking again and again for that long, or until it is over. */
async function askFor(ask: () => Promise<unknown>, forMs: number, over = { value: false }): Promise<number> {
  const times: number[] = []
  const started = performance.now()
  while (performance.now() - started < forMs && !over.value) {
    const asked = performance.now()
    await ask()
    times.push(performance.now() - asked)
    await pause(3)
  }
  return times.toSorted((a, b) => a - b)[Math.floor(times.length * 0.99)] ?? Number.NaN
}

/** With the same watcher beside, which takes its own time of this process. */
async function idleP99(ask: () => Promise<unknown>, pid: number): Promise<number> {
  const watching = watch(pid)
  const p99 = await askFor(ask, 4000)
  watching.stop()
  return p99
}

/** `stop` gives by how much the server grew at most, and the largest and the most renderers, in MB. */
function watch(pid: number): { stop(): Memory } {
  const before = residentMb(pid)
  const most = { server: 0, renderer: 0, renderers: 0 }
  const timer = setInterval(() => {
    most.server = Math.max(most.server, Math.round(residentMb(pid) - before))
    const children = childrenOf(pid)
    most.renderers = Math.max(most.renderers, children.length)
    most.renderer = Math.max(most.renderer, ...children.map((child) => Math.round(residentMb(child))))
  }, 10)
  return {
    stop() {
      clearInterval(timer)
      return most
    },
  }
}

function residentMb(pid: number): number {
  return Number(/VmRSS:\s+(\d+)/.exec(statusOf(pid))?.[1] ?? 0) / 1024
}

function childrenOf(pid: number): number[] {
  return readdirSync(`/proc/${pid}/task`).flatMap((task) =>
    readOr(`/proc/${pid}/task/${task}/children`).split(' ').filter(Boolean).map(Number),
  )
}

function statusOf(pid: number): string {
  return readOr(`/proc/${pid}/status`)
}

/** A process may have ended a moment ago. */
function readOr(path: string): string {
  try {
    return readFileSync(path, 'latin1')
  } catch {
    return ''
  }
}

await row('D3', prove)
