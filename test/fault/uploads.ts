/** Uploads that outlive their server: what was acknowledged is kept here, and held against what is found later. */
import assert from 'node:assert/strict'
import { hash, randomBytes } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { type Attache, bytesOf } from '../server.ts'

export interface Attempt {
  name: string
  sha256: string
}

export interface Acknowledged extends Attempt {
  fileId: string
  key: string
}

/** All that the rounds of one row sent. */
export interface Sent {
  acknowledged: Map<string, Acknowledged>
  /** By name: an answer was cut off, so the upload may be there or not. */
  unanswered: Map<string, string>
  /** Answered, and not with 200. */
  refused: number
}

export interface Load {
  attache: Pick<Attache, 'upload'>
  random(): number
  sent: Sent
  /** What the names of this round begin with. */
  round: string
  /** In bytes; sizes are even in their logarithm. */
  smallest?: number
  largest: number
  atOnce: number
  /** Asked before each upload. */
  goesOn(acknowledged: number): boolean
}

export function nothingSent(): Sent {
  return { acknowledged: new Map(), unanswered: new Map(), refused: 0 }
}

/** Resolves when `goesOn` says no and the last answer is there. A connection that is cut is no fault of a round. */
export async function upload(load: Load): Promise<void> {
  const { attache, random, sent, round, smallest = 1, largest, atOnce, goesOn } = load
  const pool = randomBytes(2 * largest)
  let [asked, answered] = [0, 0]

  async function uploader(): Promise<void> {
    while (goesOn(answered)) {
      const name = `${round}-${asked++}.bin`
      const from = Math.floor(random() * largest)
      const bytes = pool.subarray(from, from + Math.max(1, Math.floor(smallest * (largest / smallest) ** random())))
      const attempt = { name, sha256: hash('sha256', bytes) }
      sent.unanswered.set(name, attempt.sha256)
      try {
        const { fileId, key } = await attache.upload(name, bytes)
        sent.acknowledged.set(fileId, { ...attempt, fileId, key })
        sent.unanswered.delete(name)
        answered++
      } catch (error) {
        if (error instanceof assert.AssertionError) sent.refused++
        else if (!(error instanceof TypeError)) throw error
      }
    }
  }

  await Promise.all(Array.from({ length: atOnce }, uploader))
}

export interface Losses {
  /** Acknowledged, and no link to be had. */
  lost: number
  /** Acknowledged, and the link gave other bytes or none. */
  wrong: number
}

const READERS = 8
/** A service answers for at most 10,000. */
const LINKS_AT_ONCE = 5000
const MOST_SAID = 10

/** Reads through links, as a caller does. */
export async function lossesAmong(attache: Attache, expected: readonly Acknowledged[]): Promise<Losses> {
  const losses = { lost: 0, wrong: 0 }
  const say = (line: string) => {
    if (losses.lost + losses.wrong <= MOST_SAID) console.log(line)
  }
  const addresses = new Map<string, string>()
  for (let from = 0; from < expected.length; from += LINKS_AT_ONCE) {
    const asked = expected.slice(from, from + LINKS_AT_ONCE)
    const links = await attache.links(asked.map(({ fileId, key }) => ({ id: fileId, key, expiration: 600 })))
    for (const { id, url } of links) addresses.set(id, url)
  }
  const waiting = [...expected]
  async function reader(): Promise<void> {
    for (let next = waiting.pop(); next; next = waiting.pop()) {
      const url = addresses.get(next.fileId)
      if (url === undefined) {
        losses.lost++
        say(`lost: ${next.name}`)
        continue
      }
      const found = await fetch(url).then(
        async (answer) => (answer.status === 200 ? hash('sha256', await bytesOf(answer)) : answer.status),
        String,
      )
      if (found === next.sha256) continue
      losses.wrong++
      say(`wrong: ${next.name}: ${found}`)
    }
  }
  await Promise.all(Array.from({ length: READERS }, reader))
  return losses
}

export interface Row {
  fileId: string
  name: string
  blobId: string
  size: number
  sha256: string
}

/** Every record is an upload that was acknowledged, or one whose answer was cut off, and has its bytes; gives those that are not. */
export async function partialRecords(data: string, sent: Sent, rows = recordsOf(data)): Promise<string[]> {
  const { acknowledged, unanswered } = sent
  const bad: string[] = []
  for (const { fileId, name, blobId, size, sha256 } of rows) {
    const expected = acknowledged.get(fileId)?.sha256 ?? unanswered.get(name)
    const blob = await readFile(join(data, 'blobs', blobId.slice(0, 2), blobId)).catch(() => undefined)
    if (blob?.length === size && sha256 === expected && hash('sha256', blob) === expected) continue
    bad.push(name)
    console.log(`partial: ${name}`)
  }
  return bad
}

export function recordsIn(data: string): number {
  return recordsOf(data).length
}

/** Of the demo corporation; in PostgreSQL as in SQLite. */
export const SELECT_ROWS = `select file_id as "fileId", file_name as name, blob_id as "blobId", size, sha256
  from attachments where corporation_id = 'demo'`

function recordsOf(data: string): Row[] {
  using database = new DatabaseSync(join(data, 'records.sqlite'), { readOnly: true })
  return database.prepare(SELECT_ROWS).all() as unknown as Row[]
}
