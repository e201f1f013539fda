/** The least that a token can take: one durable insert for each call, those of one turn of the event loop in one commit. */
import { randomBytes } from 'node:crypto'
import { DatabaseSync } from 'node:sqlite'

export interface InsertQuestion {
  seconds: number
  file: string
  /** Callers at a time. */
  parallel: number
}

export interface InsertAnswer {
  /** Rows a second. */
  rate: number
}

process.on('message', async ({ seconds, file, parallel }: InsertQuestion) => {
  const database = new DatabaseSync(file)
  database.exec(
    'pragma journal_mode = wal; pragma synchronous = full; create table if not exists tokens (hash text primary key, expires integer)',
  )
  const insert = database.prepare('insert into tokens values (?, ?)')
  let waiting: (() => void)[] = []
  let inserted = 0

  function commit(): void {
    const batch = waiting
    waiting = []
    database.exec('begin')
    for (const _ of batch) insert.run(randomBytes(32).toString('base64url'), Date.now())
    database.exec('commit')
    for (const done of batch) done()
  }

  const started = performance.now()
  async function lane(): Promise<void> {
    while (performance.now() - started < seconds * 1000) {
      await new Promise<void>((done) => {
        if (waiting.push(done) === 1) setImmediate(commit)
      })
      inserted++
    }
  }

  await Promise.all(Array.from({ length: parallel }, lane))
  const rate = inserted / ((performance.now() - started) / 1000)
  database.close()
  process.send?.({ rate } satisfies InsertAnswer)
})
