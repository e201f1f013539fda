/** F11: a server with few file descriptors left, and more callers than that. */
import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { exists, run } from '../programs.ts'
import { type Attache, startAttache, statusOf, until } from '../server.ts'
import { descriptors } from './machine.ts'
import { arriving, type SlowRead, slowRead } from './slow-clients.ts'
import { NotHere, row } from './stage.ts'

/** The directories of blobs are kept open: these are left for callers. */
const LEFT = 128
const READERS = 400
const ARRIVAL_MS = 5
const RECOVERED_MS = 5000

await row('F11', async (stage) => {
  if (!(await exists('prlimit'))) throw new NotHere('prlimit is missing')
  const attache = await startAttache({ data: join(stage.directory, 'data') })
  stage.defer(() => attache.kill())
  const bytes = randomBytes(8_000_000)
  const { url } = await attache.linkOf(await attache.upload('large.bin', bytes))
  const idle = descriptors(attache.pid)
  await run('prlimit', ['--pid', String(attache.pid), `--nofile=${idle + LEFT}`])

  // Not all in one turn, in which sockets alone would take every descriptor and none were left for a file.
  const readers = await arriving({ count: READERS, everyMs: ARRIVAL_MS }, () => slowRead(url, 100_000))
  const seen = await firstAnswers(readers)
  const used = descriptors(attache.pid) - idle
  const alive = await isAlive(attache)
  for (const reader of readers) reader.abort()
  await Promise.all(readers.map(({ ended }) => ended))
  const started = performance.now()
  await until(RECOVERED_MS * 2, async () => ((await statusOf(url).catch(() => 0)) === 200 ? true : undefined))
  await attache.upload('after.bin', bytes)
  const recovered = Math.round(performance.now() - started)
  const after = await until(5000, async () =>
    descriptors(attache.pid) - idle <= 5 ? descriptors(attache.pid) : undefined,
  ).catch(() => Number.NaN)
  await attache.stop()
  const ok =
    alive && seen.served > 0 && seen.refused > 0 && seen.other === 0 && recovered <= RECOVERED_MS && after - idle <= 5
  const figure = `a limit of ${idle + LEFT} descriptors, ${LEFT} more than an idle server holds, for ${READERS} readers: ${seen.served} served, ${seen.refused} answered 503, ${seen.waiting} let wait or closed, ${seen.other} otherwise, ${used} descriptors in use; works again after ${recovered} ms, ${after - idle} left open`
  return { ok, figure }
})

/** What has come of each reader after a while. */
async function firstAnswers(readers: SlowRead[]): Promise<Record<'served' | 'refused' | 'waiting' | 'other', number>> {
  const count = { served: 0, refused: 0, waiting: 0, other: 0 }
  await Promise.all(
    readers.map(async ({ begun }) => {
      const status = await Promise.race([begun.catch(() => undefined), pause(3000, undefined)])
      if (status === undefined) count.waiting++
      else if (status === 200) count.served++
      else if (status === 503) count.refused++
      else count.other++
    }),
  )
  return count
}

async function isAlive({ pid }: Attache): Promise<boolean> {
  try {
    return process.kill(pid, 0)
  } catch {
    return false
  }
}
