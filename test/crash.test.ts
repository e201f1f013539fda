import assert from 'node:assert/strict'
import { hash, randomBytes } from 'node:crypto'
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { test } from 'node:test'
import { seeded } from './seeded.ts'
import { type Attache, bytesOf, startAttache } from './server.ts'

const ROUNDS = 10
const UPLOADS = 200
const AT_ONCE = 8
const LARGEST = 2 * 1024 * 1024

test('keeps all that it acknowledged, whole, and shows nothing else, when it is killed during uploads', async (t) => {
  const data = await mkdtemp(join(tmpdir(), 'attache-crash-'))
  const kept = new Map<string, Acknowledged>()
  const unanswered = new Map<string, string>()
  let attache = await startAttache({ data })
  t.after(async () => {
    await attache.kill()
    await rm(data, { recursive: true, force: true })
  })

  for (let seed = 1; seed <= ROUNDS; seed++) {
    const round = await uploadAndKill(attache, seed)
    for (const one of round.acknowledged) kept.set(one.fileId, one)
    for (const { name, sha256 } of round.unanswered) unanswered.set(name, sha256)
    attache = await startAttache({ data })
    assert.deepEqual(await readdir(join(data, 'tmp')), [], `seed ${seed}: tmp/`)
    await assertDownloads(attache, round.acknowledged)
    const { lost, blobs } = await assertRecords(data, kept, unanswered)
    t.diagnostic(
      `seed ${seed}: killed after ${round.acknowledged.length} of ${UPLOADS} with ${round.unanswered.length} in flight; ` +
        `${kept.size} acknowledged in all, ${lost} stored whose answer was lost, ${blobs} blobs, ready in ${Math.round(attache.readyMs)} ms`,
    )
  }
  await assertDownloads(attache, [...kept.values()])
  await attache.stop()
})

interface Attempt {
  name: string
  sha256: string
}

interface Acknowledged extends Attempt {
  fileId: string
  key: string
}

interface Round {
  acknowledged: Acknowledged[]
  unanswered: Attempt[]
}

async function uploadAndKill(attache: Attache, seed: number): Promise<Round> {
  const random = seeded(seed)
  const pool = randomBytes(2 * LARGEST)
  const killAt = 10 + Math.floor(random() * (UPLOADS - 20))
  const acknowledged: Acknowledged[] = []
  const open = new Map<string, Attempt>()
  let [asked, killed] = [0, false]

  async function uploader(): Promise<void> {
    while (asked < UPLOADS && !killed) {
      const name = `${seed}-${asked++}.bin`
      const size = Math.max(1, Math.floor(LARGEST ** random()))
      const from = Math.floor(random() * LARGEST)
      const bytes = pool.subarray(from, from + size)
      const attempt = { name, sha256: hash('sha256', bytes) }
      open.set(name, attempt)
      try {
        const { fileId, key } = await attache.upload(name, bytes)
        acknowledged.push({ ...attempt, fileId, key })
        open.delete(name)
      } catch (error) {
        if (!killed || !(error instanceof TypeError)) throw error
      }
      if (acknowledged.length >= killAt && !killed) {
        killed = true
        // Somewhere within the next upload, not always at the same point of it.
        setTimeout(() => attache.kill(), random() * 8)
      }
    }
  }

  await Promise.all(Array.from({ length: AT_ONCE }, uploader))
  await attache.kill()
  return { acknowledged, unanswered: [...open.values()] }
}

async function assertDownloads(attache: Attache, expected: readonly Acknowledged[]): Promise<void> {
  const links = await attache.links(expected.map(({ fileId, key }) => ({ id: fileId, key, expiration: 600 })))
  assert.equal(links.length, expected.length, 'every acknowledged attachment has its links')
  const waiting = links.map(({ url }, index) => ({ url, ...expected[index] }))
  async function reader(): Promise<void> {
    for (let next = waiting.pop(); next; next = waiting.pop()) {
      const response = await fetch(next.url)
      assert.equal(response.status, 200, `${next.name}`)
      assert.equal(hash('sha256', await bytesOf(response)), next.sha256, `${next.name}`)
    }
  }
  await Promise.all(Array.from({ length: AT_ONCE }, reader))
}

interface Row {
  fileId: string
  name: string
  blobId: string
  size: number
  sha256: string
}

/** Every record is an upload that was acknowledged, or one whose answer the kill swallowed; and each has its blob. */
async function assertRecords(
  data: string,
  kept: ReadonlyMap<string, Acknowledged>,
  unanswered: ReadonlyMap<string, string>,
): Promise<{ lost: number; blobs: number }> {
  const rows = recordsOf(data)
  const lost = rows.filter(({ fileId }) => !kept.has(fileId))
  for (const { name, sha256 } of lost) assert.equal(sha256, unanswered.get(name), `${name} was never sent like that`)
  assert.equal(rows.length, kept.size + lost.length)
  for (const { fileId, name, blobId, size, sha256 } of rows) {
    assert.equal(sha256, kept.get(fileId)?.sha256 ?? unanswered.get(name), name)
    const blob = await readFile(join(data, 'blobs', blobId.slice(0, 2), blobId))
    assert.equal(blob.length, size, name)
    assert.equal(hash('sha256', blob), sha256, name)
  }
  const files = await readdir(join(data, 'blobs'), { recursive: true, withFileTypes: true })
  return { lost: lost.length, blobs: files.filter((file) => file.isFile()).length }
}

function recordsOf(data: string): Row[] {
  using database = new DatabaseSync(join(data, 'records.sqlite'), { readOnly: true })
  const columns = 'file_id as fileId, file_name as name, blob_id as blobId, size, sha256'
  return database.prepare(`select ${columns} from attachments`).all() as unknown as Row[]
}
