import { isoTimes, oneLine } from '../logging.ts'
import type { AuditEntry } from './entries.ts'
import { rotatingLines } from './rotating-lines.ts'

export interface AuditLogOptions {
  directory: string
  maxFileBytes: number
  /** Of each of the two series. */
  maxFiles: number
  /** Unix time in milliseconds. */
  now(): number
  /** Takes out what slipped into a refused request's words. */
  redact(line: string): string
  onTrouble(error: unknown): void
}

export interface AuditLog {
  /** Costs microseconds; never waits and never fails. */
  note(entry: Unstamped): void
  /** Lines that could not be kept since the start. */
  lost(): number
  /** Writes what waits, and ends. */
  close(): Promise<void>
}

export type Unstamped = WithoutTime<AuditEntry>
type WithoutTime<Entry> = Entry extends AuditEntry ? Omit<Entry, 'at'> : never

/** Refusals have files of their own: whoever is refused a million times pushes out no line about who was let in. */
export const SERIES = { acts: 'acts', refusals: 'refusals' } as const

/** Who was given which link, who used it, and who was refused, as JSON lines on this node's disk. */
export function auditLog({ redact, ...options }: AuditLogOptions): AuditLog {
  const acts = rotatingLines({ ...options, series: SERIES.acts })
  const refusals = rotatingLines({ ...options, series: SERIES.refusals })
  const timeOf = isoTimes()
  return {
    note(entry) {
      const line = JSON.stringify({ at: timeOf(options.now()), ...entry })
      if (entry.act === 'refused') refusals.add(redact(line))
      else acts.add(oneLine(line))
    },
    lost: () => acts.lost() + refusals.lost(),
    async close() {
      await Promise.all([acts.close(), refusals.close()])
    },
  }
}
