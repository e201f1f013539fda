/** A1: SIGKILL at random points of mixed uploads, over a database that has 100,000 rows. */
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { startAttache } from '../server.ts'
import { cpuSeconds, machineIsBusy } from './machine.ts'
import { manyRecords } from './many-records.ts'
import { row, type Stage } from './stage.ts'
import { lossesAmong, nothingSent, partialRecords, upload } from './uploads.ts'

const ROWS = 100_000
const AT_ONCE = 8
const MOST_UPLOADS = 60
const READY_MS = 2000

await row('A1', async (stage) => {
  const { random, full } = stage
  const data = await dataWithRows(stage)
  const sent = nothingSent()
  const found = { lost: 0, wrong: 0, partial: 0, temporary: 0 }
  const ready = { ms: 0, cpuMs: 0 }
  const rounds = full ? 200 : 25
  let attache = await startAttache({ data })
  stage.defer(() => attache.kill())
  for (let round = 1; round <= rounds; round++) {
    const before = new Set(sent.acknowledged.keys())
    const killAt = Math.floor(random() * MOST_UPLOADS)
    let dying: Promise<void> | undefined
    const goesOn = (acknowledged: number) => {
      // Somewhere within the next uploads, not always at the same point of one.
      if (acknowledged >= killAt) dying ??= afterMs(random() * 10).then(() => attache.kill())
      return dying === undefined
    }
    await upload({ attache, random, sent, round: String(round), largest: 2 * 1024 * 1024, atOnce: AT_ONCE, goesOn })
    await dying
    attache = await startAttache({ data })
    ready.ms = Math.max(ready.ms, attache.readyMs)
    ready.cpuMs = Math.max(ready.cpuMs, cpuSeconds(attache.pid) * 1000)
    found.temporary += (await readdir(join(data, 'tmp'))).length
    const fresh = [...sent.acknowledged.values()].filter(({ fileId }) => !before.has(fileId))
    const { lost, wrong } = await lossesAmong(attache, fresh)
    found.lost += lost
    found.wrong += wrong
  }
  const { lost, wrong } = await lossesAmong(attache, [...sent.acknowledged.values()])
  found.lost += lost
  found.wrong += wrong
  found.partial = (await partialRecords(data, sent)).length
  await attache.stop()
  // The wall's time is the target; where others keep the cores busy, that of the process itself.
  const prompt = ready.ms <= READY_MS || (machineIsBusy() && ready.cpuMs <= READY_MS)
  const whole = Object.values(found).every((count) => count === 0) && sent.refused === 0
  const figure = `${rounds} kills, ${sent.acknowledged.size} acknowledged: ${found.lost} lost, ${found.wrong} wrong, ${found.partial} partial, ${found.temporary} temporary files; ready in at most ${Math.round(ready.ms)} ms (${Math.round(ready.cpuMs)} ms of CPU) with ${ROWS} rows`
  return { ok: whole && prompt, figure, onlyLate: whole }
})

function afterMs(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds))
}

/** Rows of another corporation; nobody reads them, but every start and every look-up has them in its way. */
async function dataWithRows({ directory }: Stage): Promise<string> {
  const data = join(directory, 'data')
  await (await startAttache({ data })).stop()
  manyRecords(data, { corporationId: 'other', count: ROWS })
  return data
}
