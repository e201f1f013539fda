import { setTimeout as pause } from 'node:timers/promises'
import { Failure } from '../errors.ts'

// An operator's command writes for milliseconds; a copy or a shell that holds the lock longer is told of.
const LONGEST_MS = 5000
const BETWEEN_MS = 10

/** Begins the work again while another process holds the lock; between two tries everybody else may go on. */
export async function onceUnlocked<T>(
  begin: () => Promise<T>,
  isLocked: (error: unknown) => boolean = () => false,
): Promise<T> {
  const until = performance.now() + LONGEST_MS
  for (;;) {
    try {
      return await begin()
    } catch (error) {
      if (!isLocked(error)) throw error
      if (performance.now() > until) throw new Failure('StorageUnavailable', { cause: error })
    }
    await pause(BETWEEN_MS)
  }
}
