/** Whole uploads whose COMMIT is carried out by PostgreSQL and whose answer never arrives: what the caller is told, and what is there afterwards. */
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, it } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import {
  describeOnPostgres,
  newDatabase,
  type TestDatabase,
} from '../../packages/server/src/records/postgres.fixture.ts'
import { type PostgresProxy, postgresProxy } from '../../packages/server/src/records/postgres-proxy.fixture.ts'
import { newCorporation, type ServingNode, serveNode } from '../node.ts'
import { bytesOf, type Calls, formOf, postForm, type Uploaded, until } from '../server.ts'
import { verb } from '../verbs.ts'

// An upload is one statement, which PostgreSQL commits by itself.
const COMMITS = /insert into "attachments"/
const ANSWERED_MS = 2000 + 500

describeOnPostgres('an upload whose answer from PostgreSQL is lost', () => {
  const bytes = randomBytes(50_000)
  let directory: string
  let database: TestDatabase
  let proxy: PostgresProxy
  let node: ServingNode
  let calls: Calls
  let own: Record<string, string>
  before(async () => {
    directory = await mkdtemp(join(tmpdir(), 'attache-lost-answer-'))
    database = await newDatabase()
    proxy = await postgresProxy(database.url)
    const secret = join(directory, 'root.secret')
    await writeFile(secret, randomBytes(32).toString('hex'), { mode: 0o600 })
    own = {
      ATTACHE_DATABASE_URL: database.url,
      ATTACHE_DATABASE_TLS: 'off',
      ATTACHE_ROOT_SECRET_FILE: secret,
      ATTACHE_DATA: join(directory, 'data'),
    }
    const corporation = await newCorporation(own, 'Lost answers')
    const through = new URL(database.url)
    through.host = proxy.address
    node = await serveNode({ ...own, ATTACHE_DATABASE_URL: through.href })
    calls = node.as(corporation)
    // The first of its kind opens connections.
    await calls.upload('first.bin', bytes)
  })
  after(async () => {
    await node?.stop()
    await proxy?.close()
    await rm(directory, { recursive: true, force: true })
  })

  /** Rows and blobs of all uploads so far. */
  async function kept(): Promise<{ rows: number; blobs: number }> {
    const rows = await database.run('select blob_id from attachments')
    const files = await readdir(join(directory, 'data', 'blobs'), { recursive: true, withFileTypes: true })
    const blobs = new Set(files.filter((file) => file.isFile()).map(({ name }) => name))
    for (const { blob_id } of rows) assert.ok(blobs.has(String(blob_id)), `no bytes for ${blob_id}`)
    return { rows: rows.length, blobs: blobs.size }
  }

  async function upload() {
    const token = await calls.token()
    const started = performance.now()
    const answer = await postForm(node.own, token, formOf('发票.bin', bytes))
    const ms = Math.round(performance.now() - started)
    assert.ok(ms <= ANSWERED_MS, `${ms} ms`)
    return { answer, ms }
  }

  async function isWhole(uploaded: Uploaded): Promise<boolean> {
    return (await bytesOf(await fetch((await calls.linkOf(uploaded)).url))).equals(bytes)
  }

  for (const how of ['cut', 'silence'] as const) {
    it(`is answered 200 and kept once where it can be found out (${how})`, async (t) => {
      const [were, losses] = [await kept(), proxy.lost()]
      proxy.loseAnswer(COMMITS, how)
      const { answer, ms } = await upload()
      assert.ok(proxy.lost() > losses)
      assert.equal(answer.status, 200)
      assert.ok(await isWhole(((await answer.json()) as { value: Uploaded }).value))
      const { rows, blobs } = await kept()
      t.diagnostic(
        `upload, answer lost by ${how}: answered 200 after ${ms} ms, ${rows - were.rows} row and ${blobs - were.blobs} blob`,
      )
      assert.deepEqual([rows - were.rows, blobs - were.blobs], [1, 1])
    })
  }

  it('is answered 503 where it can not, with one row that has its bytes, and what is sent again is kept once', async (t) => {
    const [were, losses] = [await kept(), proxy.lost()]
    proxy.loseAnswer(COMMITS, 'silence')
    const asked = upload()
    await until(2000, async () => proxy.lost() > losses || undefined)
    proxy.hang(true)
    const { answer, ms } = await asked
    proxy.hang(false)
    // Nobody is asked to send again what may have been stored.
    assert.deepEqual([answer.status, answer.headers.get('retry-after')], [503, null])
    assert.match(await answer.text(), /可能已保存/)
    // A statement that waits in the proxy may still arrive.
    await pause(500)
    const { rows, blobs } = await kept()
    assert.deepEqual([rows - were.rows, blobs - were.blobs], [1, 1])
    const again = await until(5000, async () => {
      const next = await upload()
      return next.answer.status === 200 ? next.answer : undefined
    })
    assert.ok(await isWhole(((await again.json()) as { value: Uploaded }).value))
    const last = await kept()
    t.diagnostic(
      `upload, answer lost and PostgreSQL out of reach: answered 503 after ${ms} ms, ${rows - were.rows} row and ${blobs - were.blobs} blob; sent again: ${last.rows - rows} and ${last.blobs - blobs}`,
    )
    assert.deepEqual([last.rows - rows, last.blobs - blobs], [1, 1])
  })

  it('leaves nothing that verify finds wanting', async () => {
    const { code, stdout, stderr } = await verb(['verify'], { env: own })
    assert.equal(code, 0, stdout + stderr)
  })
})
