import { setTimeout as pause } from 'node:timers/promises'
import { Failure, type FailureCode } from '../errors.ts'

/** Stands as the cause of a failure where the connection went away under a statement: it may have been carried out or not. */
export class LostAnswer extends Error {
  override readonly name = 'LostAnswer'
}

// A caller waits two seconds at most.
const ALL_MS = 1800
const PAUSE_MS = 100

export interface Resolving {
  /** What is thrown where it stays unknown whether the write was carried out. */
  unknown?: FailureCode
  milliseconds?: number
}

/** Runs a write that may run twice until its answer has come: whether it was carried out is found out, not guessed. */
export async function resolved(
  write: () => Promise<void>,
  { unknown = 'StorageUnavailable', milliseconds = ALL_MS }: Resolving = {},
): Promise<void> {
  const started = performance.now()
  const left = () => milliseconds - (performance.now() - started)
  let lost = false
  for (;;) {
    try {
      return await within(left(), write())
    } catch (error) {
      lost ||= isLost(error)
      if (!lost || !(error instanceof Failure)) throw error
      if (left() < 2 * PAUSE_MS) throw new Failure(unknown, { cause: error })
      await pause(PAUSE_MS)
    }
  }
}

function isLost(error: unknown): boolean {
  return error instanceof Failure && error.cause instanceof LostAnswer
}

/** What is not waited for any more goes on, and nobody hears of it. */
async function within(milliseconds: number, work: Promise<void>): Promise<void> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    const cause = new LostAnswer(`no answer within ${Math.round(milliseconds)} ms`)
    timer = setTimeout(() => reject(new Failure('StorageUnavailable', { cause })), milliseconds)
  })
  try {
    await Promise.race([work, late])
  } finally {
    clearTimeout(timer)
  }
}
