import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'

/** For the process that takes uploads: two servers would clear each other's under way. */
export const SERVING = 'serving.lock'

/** For a verb that removes blobs without records, or that brings blobs before their records. */
export const UPKEEP = 'upkeep.lock'

/**
 * Holds a data directory for this process. The lock is a lock of
 * the operating system that SQLite takes, so a killed process leaves none. `undefined` when somebody else holds it.
 */
export function lockDirectory(
  directory: string,
  name: typeof SERVING | typeof UPKEEP,
): { release(): void } | undefined {
  const database = new DatabaseSync(join(directory, name))
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
