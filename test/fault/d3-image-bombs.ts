/**
 * D3: forty hostile pictures: each is answered in time, no process grows, and a caller who asks for links meanwhile hardly
 * notices. Of two hundred slow ones at once those are sent away that the queue has no room for.
 */
import { readdirSync, readFileSync } from 'node:fs'
import { setTimeout as pause } from 'node:timers/promises'
import { type Attache, type Link, startAttache } from '../server.ts'
import { type Asker, p99, startAsker } from './asker.ts'
import { crowd } from './d-crowd.ts'
import { hostileImages } from './d-hostile-images.ts'
import { row, type Stage, type Verdict } from './stage.ts'

const MOST_MS = 5000
const MOST_RENDERER_MB = 512
const MOST_GROWTH_MB = 64
const MOST_TIMES_IDLE = 3
const ROUNDS = 4
const WARM_UP_MS = 3000
const IDLE_MS = 4000
const AT_ONCE = 8
const SAMPLE_MS = 20

interface Memory {
  server: number
  renderer: number
  renderers: number
}

interface Picture {
  name: string
  link: Link
}

async function prove({ directory, random, full, defer }: Stage): Promise<Verdict> {
  const attache = await startAttache({ data: directory, env: { ATTACHE_DURABILITY: 'relaxed' } })
  defer(() => attache.stop())
  const images = await hostileImages(random)
  const alone = await uploaded(attache, images)
  const storms = await Promise.all(Array.from({ length: full ? 5 * ROUNDS : ROUNDS }, () => uploaded(attache, images)))
  const asker = await startAsker(attache)
  defer(() => asker.end())
  // What a service takes up when it begins to work is no picture's doing.
  await pause(WARM_UP_MS)
  const memory = watch(attache.pid)
  const { wrong, slowest } = await oneByOne(alone)
  const { busy, ratios, ...seen } = await rounds(asker, storms)
  const many = await crowd(attache)
  const most = memory.stop()
  wrong.push(...seen.wrong, ...many.wrong)
  const ratio = median(ratios)
  for (const { name, link } of alone)
    if ((await fetch(link.url)).status !== 200) wrong.push(`${name}: the original is gone`)
  if (most.server > MOST_GROWTH_MB) wrong.push(`the server grew by ${most.server} MB`)
  if (most.renderer > MOST_RENDERER_MB) wrong.push(`a renderer of ${most.renderer} MB`)
  if (most.renderers > 2) wrong.push(`${most.renderers} renderers`)
  if (!(ratio <= MOST_TIMES_IDLE)) wrong.push(`p99 of downloadurls ${ratio.toFixed(2)} × idle`)
  const faults = attache
    .stderr()
    .split('\n')
    .filter((line) => /"level":[56]0/.test(line))
  wrong.push(...faults.map((line) => line.slice(0, 300)))
  for (const line of wrong) console.log(line)
  const figure = `${images.length} images: slowest ${Math.round(slowest.ms)} ms (${slowest.name}), server +${most.server} MB, renderer ${most.renderer} MB at most, ${most.renderers} at once; ${storms.length} storms, ${busy} of ${storms.flat().length} told to come again: p99 of downloadurls ${ratio.toFixed(2)} × idle (median of ${ratios.map((one) => one.toFixed(1)).join(', ')}; idle ${median(seen.idle).toFixed(1)} ms); ${many.count} slow ones at once: ${many.queued} waited at most, ${many.rendered} rendered, ${many.sentAway} told to come again by 503 and Retry-After; ${wrong.length} wrong`
  return { ok: wrong.length === 0, figure }
}

async function oneByOne(
  pictures: readonly Picture[],
): Promise<{ wrong: string[]; slowest: { name: string; ms: number } }> {
  const wrong: string[] = []
  let slowest = { name: '', ms: 0 }
  for (const { name, link } of pictures) {
    const started = performance.now()
    const status = await rendered(link)
    const ms = performance.now() - started
    if (ms > slowest.ms) slowest = { name, ms }
    if (status !== 200 && (status < 400 || status >= 500)) wrong.push(`${name}: ${status}`)
    if (ms > MOST_MS) wrong.push(`${name}: ${Math.round(ms)} ms`)
  }
  return { wrong, slowest }
}

/** Quiet and storm by turns, and each storm against the quiet before it, so that what else the machine does falls on both. */
async function rounds(asker: Asker, storms: readonly Picture[][]) {
  const [idle, ratios, wrong]: [number[], number[], string[]] = [[], [], []]
  let busy = 0
  for (const pictures of storms) {
    await asker.take()
    await pause(IDLE_MS)
    const quiet = p99(await asker.take())
    const statuses = await storm(pictures)
    idle.push(quiet)
    ratios.push(p99(await asker.take()) / quiet)
    busy += statuses.filter(([, status]) => status === 503).length
    wrong.push(
      ...statuses.filter(([, status]) => !isRight(status)).map(([name, status]) => `${name} in a storm: ${status}`),
    )
  }
  return { busy, idle, ratios, wrong }
}

/** A picture that is rendered or refused; 503 where many come at once. */
function isRight(status: number): boolean {
  return status === 200 || status === 503 || (status >= 400 && status < 500)
}

function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b)
  const [low, high] = [sorted[Math.floor((sorted.length - 1) / 2)], sorted[Math.floor(sorted.length / 2)]]
  return ((low ?? Number.NaN) + (high ?? Number.NaN)) / 2
}

async function uploaded(attache: Attache, images: readonly { name: string; bytes: Buffer }[]): Promise<Picture[]> {
  const found: Picture[] = []
  for (const { name, bytes } of images)
    found.push({ name, link: await attache.linkOf(await attache.upload(name, Buffer.from(bytes))) })
  return found
}

async function rendered({ thumbUrl }: Link): Promise<number> {
  const response = await fetch(thumbUrl)
  await response.arrayBuffer()
  return response.status
}

async function storm(images: readonly Picture[]): Promise<[string, number][]> {
  const waiting = [...images]
  const statuses: [string, number][] = []
  async function caller(): Promise<void> {
    for (let next = waiting.pop(); next; next = waiting.pop()) statuses.push([next.name, await rendered(next.link)])
  }
  await Promise.all(Array.from({ length: AT_ONCE }, caller))
  return statuses
}

/** `stop` gives by how much the server grew at most, and the largest and the most renderers, in MB. */
function watch(pid: number): { stop(): Memory } {
  const before = memoryMb(pid, 'VmRSS')
  const most = { server: 0, renderer: 0, renderers: 0 }
  const timer = setInterval(() => {
    most.server = Math.max(most.server, Math.round(memoryMb(pid, 'VmRSS') - before))
    const children = childrenOf(pid)
    most.renderers = Math.max(most.renderers, children.length)
    most.renderer = Math.max(most.renderer, ...children.map((child) => Math.round(memoryMb(child, 'VmHWM'))))
  }, SAMPLE_MS)
  return {
    stop() {
      clearInterval(timer)
      return most
    },
  }
}

/** `VmHWM` is the most that `VmRSS` has been. */
function memoryMb(pid: number, field: 'VmRSS' | 'VmHWM'): number {
  return Number(new RegExp(`${field}:\\s+(\\d+)`).exec(readOr(`/proc/${pid}/status`))?.[1] ?? 0) / 1024
}

function childrenOf(pid: number): number[] {
  return readdirSync(`/proc/${pid}/task`).flatMap((task) =>
    readOr(`/proc/${pid}/task/${task}/children`).split(' ').filter(Boolean).map(Number),
  )
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
