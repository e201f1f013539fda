import { Worker } from 'node:worker_threads'

/** A statement whose last parameter is how many rows it takes at most. */
export interface Repeated {
  sql: string
  parameters: readonly unknown[]
  /** Ends it between two slices. */
  signal: AbortSignal
}

export interface ThreadData extends Pick<Repeated, 'sql' | 'parameters'> {
  file: string
  /** Not 0 once it is to end. */
  stop: Int32Array
}

/** What a thread could not do; SQLite's code tells whether the disk is to blame. */
export interface ThreadTrouble {
  message: string
  errcode: number
}

const HEAP_MB = 16

/**
 * Runs a statement on a thread and a connection of its own, slice by slice, until it finds nothing more: a commit that
 * waits for the disk, or moves a thousand pages from the log into the database, holds up no request then.
 */
export async function repeatAside(file: string, { sql, parameters, signal }: Repeated): Promise<void> {
  const own = import.meta.url
  const program = new URL(own.endsWith('.ts') ? './sqlite-thread.ts' : './sqlite-thread.js', own)
  const stop = new Int32Array(new SharedArrayBuffer(4))
  const workerData: ThreadData = { file, sql, parameters, stop }
  const thread = new Worker(program, {
    workerData,
    env: {},
    execArgv: [],
    resourceLimits: { maxOldGenerationSizeMb: HEAP_MB },
  })
  const end = () => {
    Atomics.store(stop, 0, 1)
    Atomics.notify(stop, 0)
  }
  signal.addEventListener('abort', end)
  if (signal.aborted) end()
  try {
    await new Promise<void>((done, failed) => {
      thread.once('message', ({ message, errcode }: ThreadTrouble) =>
        failed(Object.assign(new Error(message), { errcode })),
      )
      thread.once('error', failed)
      thread.once('exit', () => done())
    })
  } finally {
    signal.removeEventListener('abort', end)
  }
}
