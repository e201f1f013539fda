/** A9: the process is killed at a write of its first start, when all migrations run; the next start completes them, to the same schema. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { text } from 'node:stream/consumers'
import { bytesOf, environment, PROGRAM, startAttache } from '../server.ts'
import { needStrace } from './injection.ts'
import { row, type Stage } from './stage.ts'

const CALLS = 'pwrite64'
const KILLS = 12

await row('A9', async (stage) => {
  await needStrace()
  const writes = await firstStart(stage, 'counted')
  const undisturbed = await schemaAfterStart(join(stage.directory, 'undisturbed'))
  const step = stage.full ? 1 : Math.max(1, Math.floor(writes.seen / KILLS))
  const faults: string[] = []
  let kills = 0
  for (let nth = 1 + Math.floor(stage.random() * step); nth <= writes.seen; nth += step) {
    const name = `killed at ${nth}`
    const { killed } = await firstStart(stage, name, nth)
    if (!killed) continue
    kills++
    const schema = await schemaAfterStart(join(stage.directory, name)).catch((error) => {
      faults.push(`${name}: ${String(error).slice(0, 300)}`)
    })
    if (schema !== undefined && schema !== undisturbed) faults.push(`${name}: another schema: ${schema}`)
  }
  for (const fault of faults) console.log(fault)
  const figure = `killed at ${kills} of the ${writes.seen} writes of a first start: ${faults.length} of the next starts failed or led to another schema (${undisturbed.split('\n').length} tables, indexes and migrations compared); no schema was released before this one, so neither a start on an older one nor two releases side by side are shown`
  return { ok: faults.length === 0 && kills > 0 && undisturbed.includes('attachments'), figure }
})

/** Until it would serve, or is killed at its `nth` write to a database. */
async function firstStart(stage: Stage, name: string, nth?: number): Promise<{ killed: boolean; seen: number }> {
  const data = join(stage.directory, name)
  const inject = nth === undefined ? [] : ['-e', `inject=${CALLS}:signal=SIGKILL:when=${nth}`]
  const tracer = ['-f', '-y', '-s', '0', '-e', `trace=${CALLS}`, '-e', 'signal=none', ...inject]
  const child = spawn('strace', [...tracer, process.execPath, PROGRAM, 'start', '--json'], {
    env: environment({ ATTACHE_DATA: data }),
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true,
  })
  const ended = once(child, 'exit')
  const traced = text(child.stderr)
  const began = await Promise.race([once(child.stdout, 'data'), ended.then(() => undefined)])
  // The tracer and the server behind it.
  if (began) process.kill(-(child.pid ?? 0), 'SIGKILL')
  await ended
  return { killed: began === undefined, seen: (await traced).match(/records\.sqlite/g)?.length ?? 0 }
}

/** A start that serves; then what it left. */
async function schemaAfterStart(data: string): Promise<string> {
  const attache = await startAttache({ data })
  try {
    const { url } = await attache.linkOf(await attache.upload('after.txt', Buffer.from('after')))
    if ((await bytesOf(await fetch(url))).toString() !== 'after') throw new Error('other bytes')
  } finally {
    await attache.kill()
  }
  using database = new DatabaseSync(join(data, 'records.sqlite'))
  const made = database.prepare('select type, name, tbl_name, sql from sqlite_master order by type, name').all()
  const done = database.prepare('select name from kysely_migration order by name').all()
  return [...made, ...done].map((one) => JSON.stringify(one)).join('\n')
}
