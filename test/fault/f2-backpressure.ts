/** F2: memory under 500 slow readers and 200 slow writers; readers that take nothing are cut. */
import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { type Attache, startAttache, until } from '../server.ts'
import { descriptors, rssMib } from './machine.ts'
import { arriving, slowRead, slowUpload } from './slow-clients.ts'
import { row, type Stage } from './stage.ts'

const MEBIBYTE = 1024 * 1024
const READERS = 500
const STALLED = 20
const ARRIVAL_MS = 10
const READ_RATE = 10_000
const WRITERS = 200
const WRITE_RATE = 200_000
const DESCRIPTORS_MAY_DIFFER = 5
const READERS_MAY_MIB = 150
const WRITERS_MAY_MIB = 100
const WRITERS_OVER_FRESH_MIB = 200
const FEW = 8
// What a socket's own buffers still take in the first minute counts as progress, and gives it another one.
const CUT_MS = [50_000, 125_000] as const

await row('F2', async (stage) => {
  const attache = await startAttache({ data: join(stage.directory, 'data') })
  stage.defer(() => attache.kill())
  const { url } = await attache.linkOf(await attache.upload('large.bin', randomBytes(30 * MEBIBYTE)))
  await pause(500)
  const idle = rssMib(attache.pid)
  const open = descriptors(attache.pid)
  const most = sampler(attache)

  const readers = await arriving({ count: READERS - STALLED, everyMs: ARRIVAL_MS }, () => slowRead(url, READ_RATE))
  const stalled = await arriving({ count: STALLED, everyMs: ARRIVAL_MS }, () => slowRead(url, 0))
  await Promise.all([...readers, ...stalled].map(({ begun }) => begun))
  const cutMs = await timesOfCuts(attache, stage.full ? STALLED : 1)
  const cutEarly = await Promise.all(
    readers.map(({ ended }) => Promise.race([ended.then(() => true), pause(0, false)])),
  )
  const alive = cutEarly.filter((ended) => !ended).length
  const byReaders = most.take() - idle
  most.stop()
  for (const reader of [...readers, ...stalled]) reader.abort()
  await Promise.all(readers.map(({ ended }) => ended))
  const left = await until(10_000, async () => {
    const more = descriptors(attache.pid) - open
    return more <= DESCRIPTORS_MAY_DIFFER ? more : undefined
  }).catch(() => descriptors(attache.pid) - open)
  await attache.stop()
  const { overUsualMib, overFreshMib, kept } = await slowWriters(stage)

  const [first, last] = [Math.min(...cutMs), Math.max(...cutMs)]
  const ok =
    byReaders <= READERS_MAY_MIB &&
    overUsualMib <= WRITERS_MAY_MIB &&
    overFreshMib <= WRITERS_OVER_FRESH_MIB &&
    first >= CUT_MS[0] &&
    last <= CUT_MS[1] &&
    alive === readers.length &&
    left <= DESCRIPTORS_MAY_DIFFER &&
    kept === WRITERS
  const figure = `${READERS} readers at 10 kB/s: +${Math.round(byReaders)} MiB, ${alive} of them served on; stalled ones cut after ${Math.round(first / 1000)}${stage.full ? ` to ${Math.round(last / 1000)}` : ''} s, ${left} descriptors left open by all of them; ${WRITERS} slow writers: +${Math.round(overUsualMib)} MiB over what as many quick ones took, +${Math.round(overFreshMib)} MiB over a fresh start, ${kept} kept`
  return { ok, figure }
})

/** At a server of their own: what readers left in the memory of the other is no room for them. */
async function slowWriters(stage: Stage): Promise<{ overUsualMib: number; overFreshMib: number; kept: number }> {
  const attache = await startAttache({ data: join(stage.directory, 'written') })
  stage.defer(() => attache.kill())
  const token = await attache.token()
  await pause(500)
  const fresh = rssMib(attache.pid)
  const bytes = randomBytes(2 * MEBIBYTE)
  // What as many quick ones, a few at a time, bring it to in any case.
  for (let left = WRITERS; left > 0; left -= FEW)
    await Promise.all(Array.from({ length: FEW }, () => attache.upload('usual.bin', bytes)))
  const usual = rssMib(attache.pid)
  const most = sampler(attache)
  const writers = Array.from({ length: WRITERS }, (_, index) =>
    slowUpload(attache.url, token, { name: `slow ${index}.bin`, bytes, rate: WRITE_RATE }),
  )
  await Promise.all(writers.map(({ sent }) => sent))
  for (const writer of writers) writer.finish()
  const answers = await Promise.all(writers.map(({ answer }) => answer))
  const reached = most.take()
  most.stop()
  await attache.stop()
  return {
    overUsualMib: reached - usual,
    overFreshMib: reached - fresh,
    kept: answers.filter((answer) => answer?.status === 200).length,
  }
}

/** A reader that takes nothing does not even notice its end, so the server's sockets and files are counted; two for each reader. */
async function timesOfCuts({ pid }: Attache, wanted: number): Promise<number[]> {
  const all = descriptors(pid)
  const started = performance.now()
  const times: number[] = []
  while (times.length < wanted && performance.now() - started < CUT_MS[1] + 1000) {
    const cut = Math.floor((all - descriptors(pid)) / 2)
    while (times.length < cut) times.push(performance.now() - started)
    await pause(50)
  }
  return times.length >= wanted ? times : [...times, Number.POSITIVE_INFINITY]
}

/** The most resident memory since the last look. */
function sampler({ pid }: Attache) {
  let most = 0
  const timer = setInterval(() => {
    most = Math.max(most, rssMib(pid))
  }, 100)
  return {
    take() {
      const taken = Math.max(most, rssMib(pid))
      most = 0
      return taken
    },
    stop: () => clearInterval(timer),
  }
}
