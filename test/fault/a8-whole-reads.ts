/**
 * A8: a blob never changes, so what a reader may meet is an upload under way or a removal. Readers learn of an attachment
 * from the records, before its uploader has the answer, and read it whole and as two halves while others remove it.
 */
import { hash, randomBytes } from 'node:crypto'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { setTimeout as pause } from 'node:timers/promises'
import { type Attache, bytesOf, startAttache } from '../server.ts'
import { verb } from '../verbs.ts'
import { row } from './stage.ts'

const WRITERS = 4
const READERS = 8
const LARGEST = 4 * 1024 * 1024
const REMOVALS_AT_A_TIME = 2

interface Known {
  id: string
  key: string
  sha256: string
}

await row('A8', async (stage) => {
  const { random, full } = stage
  const attache = await startAttache({ data: join(stage.directory, 'data') })
  stage.defer(() => attache.kill())
  const sums = new Set<string>()
  const count = { uploads: 0, removed: 0, whole: 0, halves: 0, gone: 0 }
  const faults: string[] = []
  /** Being removed. */
  let hunted: Known | undefined
  const pool = randomBytes(2 * LARGEST)
  const end = performance.now() + (full ? 60_000 : 8000)
  const goesOn = () => performance.now() < end && faults.length < 10
  const isSent = (sha256: string) => sums.has(sha256)

  async function writer(): Promise<void> {
    while (goesOn()) {
      const from = Math.floor(random() * LARGEST)
      const bytes = pool.subarray(from, from + Math.max(1, Math.floor(LARGEST ** random())))
      sums.add(hash('sha256', bytes))
      await attache.upload('always the same name.bin', bytes)
      count.uploads++
    }
  }

  async function reader(): Promise<void> {
    while (goesOn()) {
      const known = hunted && random() < 0.5 ? hunted : anyRecord(attache, random)
      if (known === undefined) {
        await pause(5)
        continue
      }
      const [link] = await attache.links([{ id: known.id, key: known.key, expiration: 60 }])
      if (link === undefined) count.gone++
      else if (random() < 0.5) await readWhole(link.url, known)
      else await readHalves(link.url, known)
    }
  }

  async function readWhole(url: string, known: Known): Promise<void> {
    const answer = await fetch(url)
    const found = hash('sha256', await bytesOf(answer))
    if (answer.status === 404) count.gone++
    else if (answer.status === 200 && found === known.sha256 && isSent(found)) count.whole++
    else faults.push(`a whole one: ${answer.status}`)
  }

  async function readHalves(url: string, known: Known): Promise<void> {
    const first = await fetch(url, { headers: { range: 'bytes=0-999' } })
    const head = await bytesOf(first)
    if (first.status === 404) return void count.gone++
    const headers = { range: 'bytes=1000-', 'if-match': first.headers.get('etag') ?? '' }
    const second = await fetch(url, { headers })
    const rest = await bytesOf(second)
    if (second.status === 404) return void count.gone++
    const short = second.status === 416
    if (first.status !== 206 || !(second.status === 206 || short))
      faults.push(`halves: ${first.status} ${second.status}`)
    else if (hash('sha256', short ? head : Buffer.concat([head, rest])) === known.sha256) count.halves++
    else faults.push('halves of different files')
  }

  async function remover(): Promise<void> {
    while (goesOn()) {
      const known = anyRecord(attache, random)
      if (known === undefined) {
        await pause(5)
        continue
      }
      hunted = known
      const { code } = await verb(['attachment', 'remove', known.id], { env: { ATTACHE_DATA: attache.data } })
      if (code === 0) count.removed++
    }
  }

  await Promise.all([
    ...Array.from({ length: WRITERS }, writer),
    ...Array.from({ length: READERS }, reader),
    ...Array.from({ length: REMOVALS_AT_A_TIME }, remover),
  ])
  await attache.stop()
  const figure = `${count.uploads} uploads, ${count.removed} removals: ${count.whole} read whole, ${count.halves} as halves that fit, ${count.gone} gone, ${faults.length} faults${faults[0] ? `: ${faults[0]}` : ''}`
  return { ok: faults.length === 0 && count.whole > 0 && count.halves > 0 && count.removed > 0, figure }
})

/** One of the newest, which may not be answered for yet. */
function anyRecord({ data }: Attache, random: () => number): Known | undefined {
  using database = new DatabaseSync(join(data, 'records.sqlite'), { readOnly: true })
  const select = 'select file_id as id, key, sha256 from attachments order by rowid desc limit 1 offset ?'
  return database.prepare(select).get(Math.floor(random() * 10)) as Known | undefined
}
