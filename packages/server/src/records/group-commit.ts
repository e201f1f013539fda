export interface GroupCommitOptions<Transaction> {
  begin(work: (transaction: Transaction) => Promise<void>): Promise<void>
  /** Whether one bad write is to blame, and not the disk: an fsync that failed must not be tried again. */
  blamesOneWrite(error: unknown): boolean
}

/**
 * Runs writes that were asked for in the same turn of the event loop in one transaction. When one of them is refused each
 * is run again in a transaction of its own, so that the bad one fails alone.
 */
export function groupCommit<Transaction>({ begin, blamesOneWrite }: GroupCommitOptions<Transaction>) {
  let waiting: Entry<Transaction>[] = []
  let running = false

  async function flush(): Promise<void> {
    while (waiting.length > 0) {
      const batch = waiting
      waiting = []
      await commit(batch)
    }
    running = false
  }

  async function commit(batch: Entry<Transaction>[]): Promise<void> {
    try {
      await begin(async (transaction) => {
        for (const { write } of batch) await write(transaction)
      })
      for (const { done } of batch) done()
    } catch (error) {
      if (batch.length > 1 && blamesOneWrite(error)) for (const entry of batch) await commit([entry])
      else for (const { failed } of batch) failed(error)
    }
  }

  return (write: Write<Transaction>): Promise<void> =>
    new Promise((done, failed) => {
      waiting.push({ write, done, failed })
      if (running) return
      running = true
      setImmediate(flush)
    })
}

type Write<Transaction> = (transaction: Transaction) => Promise<unknown>

interface Entry<Transaction> {
  write: Write<Transaction>
  done(): void
  failed(error: unknown): void
}
