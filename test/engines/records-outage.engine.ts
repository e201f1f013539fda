/** PostgreSQL goes away under load, as a crash or as a hang: callers are told in time, and nothing that was answered is lost. */
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it, type TestContext } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { newCorporation, type ServingNode, serveNode } from '../node.ts'
import { askLinks, bytesOf, type Link, tokenFor, until } from '../server.ts'
import { type Corporation, verb } from '../verbs.ts'
import { connectionsTo } from './connections.ts'
import { type PostgresEngine, postgresMissing, startPostgres } from './postgres.ts'
import { type Ended, isRefusedInWords, type Load, sha256, startLoad } from './records-load.ts'

const missing = postgresMissing()
const OUTAGES = Number(process.env['OUTAGES'] ?? 5)
const HANGS = 2
/** Of each outage; a moment of a few seconds where it is not said. */
const AWAY_MS = process.env['AWAY_MS']
// Fewer than callers at a time, so that the bound is reached.
const MOST_CONNECTIONS = 5
const ANSWERED_MS = 2000
// For what this machine does meanwhile: load, server and database share it.
const MARGIN_MS = 500
const RECOVERED_MS = 3000

describe('PostgreSQL away', { skip: missing && !process.env['CI'] ? missing : false }, () => {
  let postgres: PostgresEngine
  let directory: string
  let node: ServingNode
  let corporation: Corporation
  let token: string
  let env: Record<string, string>
  before(async () => {
    // What is answered is in the hands of the system at least, as an operator's server has it.
    postgres = await startPostgres({ settings: ['synchronous_commit = on'] })
    directory = await mkdtemp(join(tmpdir(), 'attache-outage-'))
    const secret = join(directory, 'root.secret')
    await writeFile(secret, randomBytes(32).toString('hex'), { mode: 0o600 })
    env = {
      ATTACHE_DATABASE_URL: postgres.url,
      ATTACHE_DATABASE_TLS: 'off',
      ATTACHE_DATABASE_CONNECTIONS: String(MOST_CONNECTIONS),
      ATTACHE_ROOT_SECRET_FILE: secret,
      ATTACHE_DATA: join(directory, 'data'),
      ATTACHE_LOG_LEVEL: 'error',
    }
    corporation = await newCorporation(env, 'Outage')
    node = await serveNode(env)
    token = await tokenFor(node.own, corporation)
  })
  after(async () => {
    await node?.stop()
    await postgres?.stop()
    await rm(directory, { recursive: true, force: true })
  })

  // Twenty of ten seconds take longer than a test usually may.
  it(`stops ${OUTAGES} times`, { timeout: 120_000 + OUTAGES * 30_000 }, (t) =>
    through(t, { times: OUTAGES, away: () => postgres.halt(), back: () => postgres.start() }),
  )

  it(`hangs ${HANGS} times`, (t) =>
    through(t, { times: HANGS, away: () => postgres.freeze(), back: () => postgres.thaw() }))

  it('leaves nothing that verify finds wanting', async (t) => {
    const { code, stdout, stderr } = await verb(['verify'], { env })
    t.diagnostic(`verify ends with ${code}`)
    assert.equal(code, 0, stdout + stderr)
  })

  interface Trouble {
    times: number
    away(): Promise<void>
    back(): Promise<void>
  }

  async function through(t: TestContext, { times, away, back }: Trouble): Promise<void> {
    const load = startLoad(node.own, corporation, token)
    const held = sampler()
    const recoveries: number[] = []
    for (let round = 0; round < times; round++) {
      await pause(1000)
      await away()
      await pause(AWAY_MS === undefined ? 2000 + Math.random() * 3000 : Number(AWAY_MS))
      await back()
      recoveries.push(await recovery(load))
    }
    await pause(1000)
    await load.stop()
    tell(t, load, recoveries)
    const most = held()
    t.diagnostic(`the pool held ${most} of ${MOST_CONNECTIONS} connections at most`)
    assert.ok(most > 0 && most <= MOST_CONNECTIONS)
    const failed = load.ended.filter(({ status }) => status !== 200)
    const improper = failed.filter((one) => !isRefusedInWords(one))
    assert.deepEqual(improper, [])
    assert.ok(failed.length > times)
    assert.ok(Math.max(...failed.map(({ milliseconds }) => milliseconds)) <= ANSWERED_MS + MARGIN_MS)
    assert.ok(Math.max(...recoveries) <= RECOVERED_MS, String(recoveries))
    assert.deepEqual([load.wrong, await lostOf(load)], [0, 0])
    assert.doesNotMatch(node.stderr(), /unhandled|uncaught/i)
  }

  /** Looks until it is asked for the most that it saw twice in a row: one that is given up closes in the turn in which another is opened. */
  function sampler(): () => number {
    const port = Number(new URL(postgres.url).port)
    let [most, last] = [0, 0]
    const timer = setInterval(() => {
      const now = connectionsTo(node.pid, port)
      most = Math.max(most, Math.min(last, now))
      last = now
    }, 20)
    return () => {
      clearInterval(timer)
      return most
    }
  }

  /** Milliseconds from now until one request of each kind that needs the database has gone through. */
  async function recovery({ ended }: Load): Promise<number> {
    const from = performance.now()
    const good =
      (kind: string) =>
      ({ status, startedAt, ...one }: Ended) =>
        one.kind === kind && status === 200 && startedAt >= from
    await until(5 * RECOVERED_MS, async () => (ended.some(good('upload')) && ended.some(good('token'))) || undefined)
    return performance.now() - from
  }

  async function lostOf({ acknowledged }: Load): Promise<number> {
    let lost = 0
    for (const { uploaded, sha256: expected } of acknowledged.values()) {
      const { fileId: id, key } = uploaded
      const [link] = (await (await askLinks(node.own, token, [{ id, key, expiration: 60 }])).json()) as Link[]
      if (!link || sha256(await bytesOf(await fetch(link.url))) !== expected) lost++
    }
    return lost
  }

  function tell(t: TestContext, { ended, acknowledged }: Load, recoveries: number[]): void {
    for (const kind of ['token', 'upload', 'links', 'get']) {
      const all = ended.filter((one) => one.kind === kind)
      const failed = all.filter(({ status }) => status !== 200)
      const slowest = (of: Ended[]) => Math.max(0, ...of.map(({ milliseconds }) => milliseconds)).toFixed(0)
      t.diagnostic(
        `${kind}: ${all.length} requests, slowest ${slowest(all)} ms; ${failed.length} failed, slowest ${slowest(failed)} ms`,
      )
    }
    t.diagnostic(
      `acknowledged uploads ${acknowledged.size}; recovered after ${recoveries.map((one) => one.toFixed(0)).join(', ')} ms`,
    )
  }
})
