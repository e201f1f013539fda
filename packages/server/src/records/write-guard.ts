import { Failure } from '../errors.ts'

/** Why a database could not write. `lost`: an fsync failed, so what the kernel holds of that write and what the disk holds may differ. */
export type WriteTrouble = 'full' | 'failing' | 'lost'

export interface WriteGuardOptions {
  /** `undefined` for an error that is about what was written, and not about where. */
  troubleOf(error: unknown): WriteTrouble | undefined
  /** A write that others see nothing of. */
  probe(): Promise<unknown>
}

export interface WriteGuard {
  /** The same write, watched. */
  guarded<Work>(write: (work: Work) => Promise<unknown>): (work: Work) => Promise<void>
  /** Why writes fail at the moment. */
  trouble(): string | undefined
  /** Resolves when writes work, after one was tried where the last one failed. */
  check(): Promise<void>
}

const REASONS: Record<WriteTrouble, string> = {
  full: 'records: the disk is full',
  failing: 'records: the database can not be written',
  lost: 'records: an fsync failed: check the disk; writes begin again when one succeeds',
}

// After an fsync that failed, before a write of no consequence shows whether the disk is well again.
const REST_MS = 2000

/**
 * Remembers that the database could not write, so that the service can say so. A full disk or one that refuses may work
 * again, and the next write finds out. After an fsync that failed only a probe does, and not at once: SQLite has rolled the
 * transaction back, and writes its pages anew with the next one, into the same places of its log.
 */
export function writeGuard({ troubleOf, probe }: WriteGuardOptions): WriteGuard {
  let trouble: WriteTrouble | undefined
  let lostAt = Number.NEGATIVE_INFINITY

  async function watched(write: () => Promise<unknown>): Promise<void> {
    try {
      await write()
      trouble = undefined
    } catch (error) {
      const found = troubleOf(error)
      if (found === undefined) throw error
      if (found === 'lost') lostAt = performance.now()
      trouble = found
      throw new Failure(found === 'full' ? 'StorageFull' : 'ReadOnly', { cause: error })
    }
  }

  return {
    guarded: (write) => async (work) => {
      if (trouble === 'lost') throw new Failure('ReadOnly')
      await watched(() => write(work))
    },
    trouble: () => trouble && REASONS[trouble],
    async check() {
      if (trouble === 'lost' && performance.now() - lostAt < REST_MS) throw new Failure('ReadOnly')
      if (trouble !== undefined) await watched(probe)
    },
  }
}
