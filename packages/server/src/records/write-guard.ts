import { Failure } from '../errors.ts'

/** Why a database could not write. `lost`: an fsync failed, so what the kernel holds and what the disk holds may differ. */
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
  lost: 'records: an fsync failed: check the disk, then restart',
}

/**
 * Remembers that the database could not write, so that the service can say so. A full disk or one that refuses may work
 * again, and the next write finds out; after an fsync that failed nothing is written until a restart reads the disk anew.
 */
export function writeGuard({ troubleOf, probe }: WriteGuardOptions): WriteGuard {
  let lost = false
  let trouble: WriteTrouble | undefined

  async function watched(write: () => Promise<unknown>): Promise<void> {
    if (lost) throw new Failure('ReadOnly')
    try {
      await write()
      trouble = undefined
    } catch (error) {
      const found = troubleOf(error)
      if (found === undefined) throw error
      lost ||= found === 'lost'
      trouble = found
      throw new Failure(found === 'full' ? 'StorageFull' : 'ReadOnly', { cause: error })
    }
  }

  return {
    guarded: (write) => (work) => watched(() => write(work)),
    trouble: () => (lost ? REASONS.lost : trouble && REASONS[trouble]),
    async check() {
      if (lost || trouble !== undefined) await watched(probe)
    },
  }
}
