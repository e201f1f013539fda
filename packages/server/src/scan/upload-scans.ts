import { Failure } from '../errors.ts'
import type { Scan, Scanner } from './scanner.ts'

export interface UploadScansOptions {
  scanner: Scanner
  /** Longest time that the scanner may take for its next step: taking bytes, or giving its verdict. */
  milliseconds: number
  /** Uploads that are scanned at a time; others wait as long as a step may take. */
  atOnce: number
  /** What becomes of an upload that can't be scanned. */
  onFailure: 'refuse' | 'accept'
  /** Hears of each upload that was not scanned, and why. */
  unscanned(error: unknown): void
}

/** The scan of one upload. Throws `Infected`, or `ScannerUnavailable` where an unscanned file is refused. */
export interface UploadScan {
  update(chunk: Uint8Array): Promise<void>
  finish(): Promise<void>
  /** Wherever the upload ended. */
  close(): void
}

// Most attachments come to their end within this, so a slow sender holds no scanner while they come.
const AHEAD_BYTES = 256 * 1024

export function uploadScans(options: UploadScansOptions): () => UploadScan {
  const { scanner, milliseconds, onFailure, unscanned } = options
  const seat = seatsFor(options.atOnce)

  return () => {
    let waiting: Uint8Array[] = []
    let size = 0
    let scan: Scan | undefined
    let leave: (() => void) | undefined
    let skipped = false
    let closed = false

    async function feed(): Promise<void> {
      if (scan === undefined) {
        leave = await seat(milliseconds)
        if (closed) return close()
        scan = scanner.open()
      }
      for (const chunk of waiting) await within(milliseconds, scan.write(chunk), 'the scanner takes no bytes')
      waiting = []
    }

    async function verdict(): Promise<string | undefined> {
      await feed()
      if (scan === undefined) throw new Error('the upload ended before its scan')
      return within(milliseconds, scan.verdict(), 'the scanner gives no verdict')
    }

    async function orSkip<T>(step: () => Promise<T>): Promise<T | undefined> {
      try {
        return await step()
      } catch (cause) {
        close()
        skipped = true
        unscanned(cause)
        if (onFailure === 'refuse') throw new Failure('ScannerUnavailable', { cause })
        return undefined
      }
    }

    function close(): void {
      closed = true
      waiting = []
      scan?.close()
      leave?.()
      leave = undefined
    }

    return {
      async update(chunk) {
        if (skipped) return
        // Copied: the sender's buffer is used again.
        waiting.push(Uint8Array.from(chunk))
        size += chunk.length
        if (size > AHEAD_BYTES) await orSkip(feed)
      },
      async finish() {
        const found = skipped ? undefined : await orSkip(verdict)
        close()
        if (found !== undefined) throw new Failure('Infected', { details: [{ path: 'file', message: found }] })
      },
      close,
    }
  }
}

/** Resolves with what gives the seat back; whoever has waited too long gets none. */
function seatsFor(count: number) {
  let free = count
  const queue: (() => void)[] = []

  function leaver(): () => void {
    let left = false
    return () => {
      if (left) return
      left = true
      const next = queue.shift()
      if (next) next()
      else free++
    }
  }

  return (milliseconds: number): Promise<() => void> =>
    new Promise((enter, refuse) => {
      if (free > 0) {
        free--
        enter(leaver())
        return
      }
      const called = () => {
        clearTimeout(timer)
        enter(leaver())
      }
      const timer = setTimeout(() => {
        queue.splice(queue.indexOf(called), 1)
        refuse(new Error(`no scanner came free within ${milliseconds} ms`))
      }, milliseconds)
      queue.push(called)
    })
}

async function within<T>(milliseconds: number, step: Promise<T>, what: string): Promise<T> {
  const { promise: late, reject } = Promise.withResolvers<never>()
  const timer = setTimeout(() => reject(new Error(`${what} within ${milliseconds} ms`)), milliseconds)
  try {
    return await Promise.race([step, late])
  } finally {
    clearTimeout(timer)
  }
}
