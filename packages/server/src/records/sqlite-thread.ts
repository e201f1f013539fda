import { DatabaseSync, type SQLInputValue } from 'node:sqlite'
import { parentPort, workerData } from 'node:worker_threads'
import type { ThreadData, ThreadTrouble } from './sqlite-aside.ts'

// The thread of `repeatAside`, a program of its own.

const LEAST_SLICE = 20
const MOST_SLICE = 1000
// Meanwhile nobody else writes.
const SLICE_MS = 20
// Longer than a writer waits between two tries, so that each of them has its turn after one slice.
const PAUSE_MS = 15
// Less than other connections have, so that moving pages into the database falls to this thread.
const CHECKPOINT_PAGES = 250

function repeat({ file, sql, parameters, stop }: ThreadData): void {
  using database = new DatabaseSync(file)
  // What it removes may come back at a power loss, and is removed again: only moved pages wait for the disk.
  database.exec(
    `pragma busy_timeout = 5000; pragma synchronous = normal; pragma wal_autocheckpoint = ${CHECKPOINT_PAGES}`,
  )
  const statement = database.prepare(sql)
  const fixed = parameters.slice(0, -1) as SQLInputValue[]
  let slice = LEAST_SLICE
  while (Atomics.load(stop, 0) === 0) {
    const started = performance.now()
    if (Number(statement.run(...fixed, slice).changes) < slice) return
    const fitting = Math.round((slice * SLICE_MS) / (performance.now() - started))
    slice = Math.min(Math.max(fitting, LEAST_SLICE), 2 * slice, MOST_SLICE)
    Atomics.wait(stop, 0, 0, PAUSE_MS)
  }
}

try {
  repeat(workerData)
} catch (error) {
  if (!(error instanceof Error)) throw error
  const errcode = 'errcode' in error ? Number(error.errcode) : 0
  parentPort?.postMessage({ message: error.message, errcode } satisfies ThreadTrouble)
}
