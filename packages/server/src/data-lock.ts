import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'

/**
 * Holds a data directory for this process: two servers would clear each other's uploads under way. The lock is a lock of
 * the operating system that SQLite takes, so a killed process leaves none. `undefined` when somebody else holds it.
 */
export function lockDirectory(directory: string): { release(): void } | undefined {
  const database = new DatabaseSync(join(directory, 'serving.lock'))
  try {
    database.exec('pragma locking_mode = exclusive; begin exclusive')
    return { release: () => database.close() }
  } catch (error) {
    database.close()
    if (error instanceof Error && 'errcode' in error && error.errcode === SQLITE_BUSY) return undefined
    throw error
  }
}

const SQLITE_BUSY = 5
