import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { setTimeout as pause } from 'node:timers/promises'
import { type Attache, startAttache } from './attache.ts'
import { withCpu } from './cpu.ts'
import type { InsertAnswer, InsertQuestion } from './limits/durable-insert.ts'
import { loadOn } from './load.ts'
import { alternate, rateLine } from './rounds.ts'
import { type Line, type Row, WRK } from './row.ts'
import { openStage, type Stage } from './stage.ts'

const PARALLEL = 32
const EXPIRED = 1_000_000
const MOST_STALL_MS = 50
const PATIENCE_MS = 300_000

export const accessToken: Row = {
  id: 'P13',
  job: 'getAccessToken, good secret, 32 in parallel; a million expired tokens swept',
  goal: '≥ 0.5 × one durable insert a call; no stall over 50 ms',
  needs: [WRK],
  async run(stage) {
    const server = await startAttache(stage)
    const { appKey, appSecurity } = server
    const path = '/api/openapi/v1/auth/getAccessToken'
    const requests = [{ method: 'POST', path, body: JSON.stringify({ appKey, appSecurity }) }] as const
    const limit = stage.limit<InsertQuestion, InsertAnswer>('durable-insert.ts')
    const file = join(stage.directory, 'limit.sqlite')
    const found = await alternate('P13', {
      ours: withCpu(server.pid, await loadOn(stage, { url: server.url, requests, connections: PARALLEL })),
      limit: withCpu(limit.pid, (seconds) => limit.ask({ seconds, file, parallel: PARALLEL })),
    })
    await using other = await openStage()
    const line = rateLine(found, {
      what: 'getAccessToken, against a durable insert',
      unit: '/s',
      goal: { atLeast: 0.5 },
    })
    return [line, await sweeping(other)]
  },
}

/** Asks again and again, from the start on, until all that had expired are gone; the longest wait is the longest stall. */
async function sweeping(stage: Stage): Promise<Line> {
  const first = await startAttache(stage)
  await first.stop()
  const file = join(stage.directory, 'data', 'records.sqlite')
  addExpired(file, EXPIRED)
  const server = await startAttache(stage)
  const reader = new DatabaseSync(file, { readOnly: true })
  // To count them would take as long as the stalls that are looked for, in the process that looks.
  const left = reader.prepare('select 1 from access_tokens where expires_at = 1 limit 1')
  const isLeft = () => left.get() !== undefined
  let worst = 0
  let stopped = false
  const asking = (async () => {
    while (!stopped) worst = Math.max(worst, await answerTime(server))
  })()
  for (let waited = 0; isLeft() && waited < PATIENCE_MS; waited += 1000) await pause(1000)
  const remaining = isLeft()
  stopped = true
  await asking
  reader.close()
  if (remaining) throw new Error('not all expired tokens were swept')
  return {
    what: 'longest answer while 1,000,000 expired tokens are swept',
    ours: `${worst.toFixed(0)} ms`,
    limit: `${MOST_STALL_MS} ms`,
    ratio: { median: worst / MOST_STALL_MS, least: worst / MOST_STALL_MS, most: worst / MOST_STALL_MS },
    goal: { atMost: 1 },
  }
}

async function answerTime({ url }: Attache): Promise<number> {
  const asked = performance.now()
  await (await fetch(`${url}/livez`)).arrayBuffer()
  return performance.now() - asked
}

function addExpired(file: string, count: number): void {
  const database = new DatabaseSync(file)
  database.exec('pragma synchronous = off; begin')
  const row = database.prepare("insert into access_tokens values (?, '-', 'demo', 'demo', 1)")
  for (let i = 0; i < count; i++) row.run(randomBytes(32).toString('base64url'))
  database.exec('commit; pragma wal_checkpoint(truncate)')
  database.close()
}
