import { createReadStream } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { isSystemError } from '../errors.ts'
import { oneLine } from '../logging.ts'
import { SERIES } from './audit-log.ts'
import type { AuditEntry } from './entries.ts'
import { filesOf } from './rotating-lines.ts'

export interface AuditQuery {
  /** Unix time in milliseconds; both ends are included. */
  since?: number | undefined
  until?: number | undefined
  fileId?: string | undefined
  key?: string | undefined
  corporationId?: string | undefined
  /** A code of a refusal. */
  reason?: string | undefined
}

/** What the log of this node says, oldest first. A line that was cut is passed over. */
export async function* auditEntries(directory: string, query: AuditQuery): AsyncGenerator<AuditEntry> {
  const wanted = await alsoByOther(directory, query)
  const series = query.reason === undefined ? Object.values(SERIES) : [SERIES.refusals]
  yield* merged(series.map((one) => entriesOf(directory, one, wanted)))
}

/** Lines about links name the fileId alone and lines about claims the key alone: the log itself tells what goes together. */
async function alsoByOther(directory: string, query: AuditQuery): Promise<AuditQuery> {
  const { fileId, key } = query
  if ((fileId === undefined) === (key === undefined)) return query
  for await (const entry of entriesOf(directory, SERIES.acts, { fileId, key })) {
    if ('key' in entry && entry.key !== undefined && entry.fileId !== undefined) {
      return { ...query, fileId: entry.fileId, key: entry.key }
    }
  }
  return query
}

async function* entriesOf(directory: string, series: string, query: AuditQuery): AsyncGenerator<AuditEntry> {
  const { since = Number.NEGATIVE_INFINITY, until = Number.POSITIVE_INFINITY } = query
  for (const { name, day } of await existing(directory, series)) {
    const from = Date.parse(day)
    if (from > until || from + DAY_MS < since) continue
    for await (const line of linesOf(join(directory, name))) {
      const entry = mayMatch(line, query) ? entryOf(line) : undefined
      if (entry === undefined || !matches(entry, query)) continue
      const at = Date.parse(entry.at)
      if (at >= since && at <= until) yield entry
    }
  }
}

const DAY_MS = 86_400_000

async function existing(directory: string, series: string) {
  try {
    return await filesOf(directory, series)
  } catch (error) {
    if (isSystemError(error, 'ENOENT')) return []
    throw error
  }
}

/** The server may remove its oldest file while it is read. */
async function* linesOf(path: string): AsyncGenerator<string> {
  try {
    yield* createInterface({ input: createReadStream(path), crlfDelay: Number.POSITIVE_INFINITY })
  } catch (error) {
    if (!isSystemError(error, 'ENOENT')) throw error
  }
}

/** Sorts out most lines before they are parsed. */
function mayMatch(line: string, { fileId, key, corporationId, reason }: AuditQuery): boolean {
  if (reason !== undefined && !line.includes(reason)) return false
  if (corporationId !== undefined && !line.includes(JSON.stringify(corporationId))) return false
  const names = [fileId, key].filter((name) => name !== undefined)
  return names.length === 0 || names.some((name) => line.includes(oneLine(JSON.stringify(name))))
}

function matches(entry: AuditEntry, { fileId, key, corporationId, reason }: AuditQuery): boolean {
  if (corporationId !== undefined && entry.corporationId !== corporationId) return false
  if (reason !== undefined && !(entry.act === 'refused' && entry.reason === reason)) return false
  if (fileId === undefined && key === undefined) return true
  if (entry.act === 'links') return fileId !== undefined && entry.files.includes(fileId)
  const keys = entry.act === 'refused' ? [entry.key, entry.claimed?.key] : [entry.key]
  return (fileId !== undefined && entry.fileId === fileId) || (key !== undefined && keys.includes(key))
}

function entryOf(line: string): AuditEntry | undefined {
  try {
    return JSON.parse(line)
  } catch (error) {
    if (error instanceof SyntaxError) return undefined
    throw error
  }
}

/** One order out of several that are each in order. */
async function* merged(sources: AsyncGenerator<AuditEntry>[]): AsyncGenerator<AuditEntry> {
  const heads = await Promise.all(sources.map(async (source) => ({ source, next: await source.next() })))
  for (;;) {
    const open = heads.filter(({ next }) => !next.done)
    const [first, ...others] = open
    if (first === undefined) return
    const oldest = others.reduce((a, b) => (b.next.value.at < a.next.value.at ? b : a), first)
    yield oldest.next.value
    oldest.next = await oldest.source.next()
  }
}
