/** A5: PostgreSQL is stopped and hangs amid load; SQLite's file is locked by another writer. */
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { setTimeout as pause } from 'node:timers/promises'
import { type Ended, isRefusedInWords, type Load, startLoad } from '../engines/records-load.ts'
import { startAttache } from '../server.ts'
import { row, type Stage, type Verdict } from './stage.ts'
import { suites } from './suites.ts'
import { lossesAmong } from './uploads.ts'

const LOCKED_MS = 5000
const BETWEEN_MS = 1000
const MOST_REFUSED = 0.01
// What needs no write must not wait for the writer.
const READ_MS = 500

await row('A5', async (stage) => {
  const locked = await behindAnotherWriter(stage)
  const away = await suites({
    files: ['test/engines/records-outage.engine.ts'],
    env: stage.full ? { OUTAGES: '20', AWAY_MS: '10000' } : { OUTAGES: '5' },
    says: /failed|recovered|pool|verify/,
  })
  return { ok: locked.ok && away.ok, figure: `${locked.figure}. PostgreSQL: ${away.figure}` }
})

async function behindAnotherWriter({ directory, defer, full }: Stage): Promise<Verdict> {
  const data = join(directory, 'data')
  const attache = await startAttache({ data })
  defer(() => attache.kill())
  const load = startLoad(attache.url, attache, await attache.token())
  const rounds = full ? 10 : 2
  for (let round = 0; round < rounds; round++) {
    await pause(BETWEEN_MS)
    using other = new DatabaseSync(join(data, 'records.sqlite'))
    other.exec('pragma busy_timeout = 5000; begin immediate')
    await pause(LOCKED_MS)
    other.exec('rollback')
  }
  await pause(BETWEEN_MS)
  await load.stop()
  const { refused, improper, slowestRead } = countsOf(load)
  const acknowledged = [...load.acknowledged.values()].map(({ uploaded, sha256 }) => ({
    name: uploaded.fileName,
    sha256,
    fileId: uploaded.fileId,
    key: uploaded.key,
  }))
  const { lost, wrong } = await lossesAmong(attache, acknowledged)
  const ok = lost + wrong + improper === 0 && refused <= MOST_REFUSED * load.ended.length && slowestRead <= READ_MS
  const figure = `SQLite locked ${rounds} times for ${LOCKED_MS} ms: ${load.ended.length} requests, ${refused} answered 503, ${improper} otherwise, slowest read ${Math.round(slowestRead)} ms, ${acknowledged.length} acknowledged, ${lost + wrong} lost`
  return { ok, figure }
}

function countsOf({ ended }: Load) {
  const failed = ended.filter(({ status }) => status !== 200)
  const refused = failed.filter(isRefusedInWords).length
  const reads = ended.filter(({ kind }: Ended) => kind === 'links' || kind === 'get')
  const slowestRead = Math.max(...reads.map(({ milliseconds }) => milliseconds))
  return { refused, improper: failed.length - refused, slowestRead }
}
