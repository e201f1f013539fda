/** A2: the power goes amid uploads, with records in SQLite and in PostgreSQL. A control without fsync must lose something, or the row would show nothing. */
import { randomBytes } from 'node:crypto'
import { chmod, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { Client } from 'pg'
import { type PostgresEngine, postgresMissing, startPostgres } from '../engines/postgres.ts'
import { run } from '../programs.ts'
import { startAttache } from '../server.ts'
import { NotHere, row, type Stage } from './stage.ts'
import {
  type Acknowledged,
  lossesAmong,
  nothingSent,
  partialRecords,
  type Row,
  SELECT_ROWS,
  type Sent,
  upload,
} from './uploads.ts'
import { type Ext4, ext4 } from './volume.ts'

// What twenty rounds of two machines write fits; it takes room only where it is written.
const VOLUME_BYTES = 8 * 1024 * 1024 * 1024
const LOAD_MS = 3000
const AT_ONCE = 8
const NOTHING = async () => {}

await row('A2', async (stage) => {
  // Half of the row would not be the row.
  const missing = postgresMissing()
  if (missing !== undefined) throw new NotHere(missing)
  const volume = await ext4(stage.directory, VOLUME_BYTES)
  stage.defer(() => volume.unmount())
  const rounds = stage.full ? 20 : 3
  const strict = await cuts({ stage, volume, rounds, machine: embedded('strict') })
  const postgres = await cuts({ stage, volume, rounds, machine: await over(stage, volume) })
  const relaxed = await cuts({ stage, volume, rounds: 1, machine: embedded('relaxed') })
  const lostWithout = relaxed.lost + relaxed.wrong
  const all = [strict, postgres]
  const ok = all.every(({ lost, wrong, partial, kept }) => lost + wrong + partial === 0 && kept > 0) && lostWithout > 0
  const [ours, theirs] = all.map(
    ({ kept, lost, wrong, partial }) =>
      `${rounds} power losses, ${kept} acknowledged: ${lost} lost, ${wrong} wrong, ${partial} partial`,
  )
  const figure = `SQLite: ${ours}. PostgreSQL: ${theirs}. Control without fsync: ${lostWithout} of ${relaxed.kept} gone`
  return { ok, figure }
})

/** What the power takes along, beside the service. */
interface Machine {
  /** Of its data directory. */
  name: string
  env: Record<string, string>
  /** An acknowledgement must outlive the power. */
  keeps: boolean
  off(): Promise<void>
  on(): Promise<void>
  /** Left out where the service keeps them itself. */
  records?(): Promise<Row[]>
}

function embedded(durability: 'strict' | 'relaxed'): Machine {
  const env = { ATTACHE_DURABILITY: durability }
  return { name: durability, env, keeps: durability === 'strict', off: NOTHING, on: NOTHING }
}

/** PostgreSQL as it comes, which waits for the disk, on the same volume. */
async function over({ directory, defer }: Stage, { path }: Ext4): Promise<Machine> {
  const settings = ['fsync = on', 'synchronous_commit = on', 'full_page_writes = on']
  for (const parent of [directory, path]) await chmod(parent, 0o711)
  const postgres = await startPostgres({ under: path, settings })
  defer(() => postgres.stop())
  // What the making of it left in memory is no concern of this row.
  await run('sync', ['-f', path])
  const secret = join(directory, 'root.secret')
  await writeFile(secret, randomBytes(32).toString('hex'), { mode: 0o600 })
  return {
    name: 'over-postgres',
    env: { ATTACHE_DATABASE_URL: postgres.url, ATTACHE_DATABASE_TLS: 'off', ATTACHE_ROOT_SECRET_FILE: secret },
    keeps: true,
    off: postgres.kill,
    on: postgres.start,
    records: () => recordsIn(postgres),
  }
}

async function recordsIn({ url }: PostgresEngine): Promise<Row[]> {
  const client = new Client({ connectionString: url })
  await client.connect()
  const { rows } = await client.query(SELECT_ROWS)
  await client.end()
  return rows.map((one) => ({ ...one, size: Number(one.size) }))
}

interface Cuts {
  stage: Stage
  volume: Ext4
  rounds: number
  machine: Machine
}

/** One data directory through all rounds. */
async function cuts({ stage, volume, rounds, machine }: Cuts) {
  const { random } = stage
  const { env, keeps } = machine
  const data = join(volume.path, machine.name)
  const sent = nothingSent()
  const kept = new Map<string, Acknowledged>()
  for (let round = 1; round <= rounds; round++) {
    const attache = await startAttache({ data, env })
    stage.defer(() => attache.kill())
    const powered = { on: true }
    const cut = pause(LOAD_MS * (0.5 + random())).then(async () => {
      await volume.cutPower(() => {
        for (const [id, one] of sent.acknowledged) kept.set(id, one)
      })
      powered.on = false
    })
    const sizes = { smallest: 20_000, largest: 200_000 }
    await upload({ attache, random, sent, round: String(round), ...sizes, atOnce: AT_ONCE, goesOn: () => powered.on })
    await cut
    await attache.kill()
    await machine.off()
    await volume.remount()
    await machine.on()
    forgetLastMoment(sent, kept)
  }
  const again = await startAttache({ data, env }).catch((error) => {
    if (keeps) throw error
  })
  // Without fsync the database itself may be torn: then all of it is gone.
  if (again === undefined) return { lost: kept.size, wrong: 0, partial: 0, kept: kept.size }
  stage.defer(() => again.kill())
  const losses = await lossesAmong(again, [...kept.values()])
  const partial = keeps ? (await partialRecords(data, sent, await machine.records?.())).length : 0
  await again.kill()
  await machine.off()
  return { ...losses, partial, kept: kept.size }
}

/** An answer of the very moment promises nothing. */
function forgetLastMoment(sent: Sent, kept: ReadonlyMap<string, Acknowledged>): void {
  for (const [id, { name, sha256 }] of sent.acknowledged) {
    if (kept.has(id)) continue
    sent.acknowledged.delete(id)
    sent.unanswered.set(name, sha256)
  }
}
