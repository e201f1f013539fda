import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { auditLog, type Unstamped } from '../audit/audit-log.ts'
import { auditEntries } from '../audit/audit-query.ts'
import type { AuditEntry } from '../audit/entries.ts'
import type { Config } from '../config.ts'
import { auditOptions } from '../service.ts'
import { type CommandContext, UsageError } from './context.ts'
import { refuseMissingData } from './existing-stores.ts'

const USAGE =
  'audit [--since T] [--until T] [--key KEY | --file-id ID] [--corporation ID] [--reason CODE] [--json]   T: 2026-01-31, 2026-01-31T08:00+08:00, 90m, 24h, 7d'

// As of the command line `attache`, where the reader of stdout goes away.
const INTERRUPTED = 130

/** `audit`: what the log of this node says, oldest first, for as long as somebody reads it. Gives the exit code. */
export async function auditCommand(args: string[], context: CommandContext): Promise<number> {
  const { config, print, say, signal } = context
  const text = { type: 'string' } as const
  const options = { since: text, until: text, key: text, 'file-id': text, corporation: text, reason: text } as const
  const { values } = parseArgs({ args, options: { ...options, json: { type: 'boolean' } } })
  const query = {
    since: timeOf('--since', values.since),
    until: timeOf('--until', values.until),
    fileId: values['file-id'],
    key: values.key,
    corporationId: values.corporation,
    reason: values.reason,
  }
  if (query.key !== undefined && query.fileId !== undefined) throw new UsageError(USAGE)
  refuseMissingData(context)
  let found = 0
  for await (const entry of auditEntries(join(config.data, 'audit'), query)) {
    if (signal.aborted) return INTERRUPTED
    print(values.json ? JSON.stringify(entry) : lineOf(entry))
    found++
  }
  if (found === 0 && !values.json)
    print(say({ zh: '本节点的审计日志中没有符合条件的记录', en: 'nothing of that in the audit log of this node' }))
  return 0
}

/** What an operator's verb did, beside what the server writes. */
export async function noteOperation(config: Config, entry: Omit<Extract<Unstamped, { act: 'operator' }>, 'act'>) {
  if (config.audit === 'off') return
  const onTrouble = (error: unknown) => console.error(`attache-server: the audit log could not be written: ${error}`)
  const log = auditLog({ ...auditOptions(config), now: Date.now, onTrouble })
  log.note({ act: 'operator', ...entry })
  await log.close()
}

const UNITS: Record<string, number> = { m: 60_000, h: 3_600_000, d: 86_400_000 }

function timeOf(option: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined
  const [, count, unit = ''] = /^(\d{1,6})([mhd])$/.exec(text) ?? []
  const time = count === undefined ? Date.parse(text) : Date.now() - Number(count) * (UNITS[unit] ?? 0)
  if (Number.isNaN(time)) throw new UsageError(`${option}: ${JSON.stringify(text)} is no time\n${USAGE}`)
  return time
}

/** One line for a person: when, what, whose, from where, and the rest by its kind. */
function lineOf(entry: AuditEntry): string {
  const who = `${entry.corporationId ?? '-'}${entry.appKey === undefined ? '' : `/${entry.appKey}`}`
  return [entry.at, entry.act.padEnd(8), who, entry.address ?? '-', restOf(entry)].join('  ')
}

function restOf(entry: AuditEntry): string {
  switch (entry.act) {
    case 'links':
      return `${entry.files.length} × ${livesOf(entry.expiration)}  ${entry.files.join(' ')}`
    case 'use': {
      const bytes = `${entry.bytes ?? '?'} B${entry.complete ? '' : ' (cut)'}`
      return `${entry.method} ${entry.status} ${bytes}  ${entry.fileId} ${shown(entry.key)}${entry.process ? ` ${shown(entry.process)}` : ''}`
    }
    case 'upload':
      return `${entry.size} B  ${entry.fileId} ${shown(entry.key)}`
    case 'operator':
      return [entry.verb, entry.fileId, entry.key && shown(entry.key), entry.detail && shown(entry.detail)]
        .filter(Boolean)
        .join(' ')
    case 'refused': {
      const what = [entry.fileId, entry.key ?? entry.claimed?.key, entry.claimed?.appKey, entry.claimed?.accessKeyId]
      const detail = entry.detail === undefined ? '' : ` (${entry.detail})`
      return `${entry.status} ${entry.reason}${detail}  ${entry.method} ${shown(entry.path)} ${what
        .filter(Boolean)
        .map((word) => shown(String(word)))
        .join(' ')}`
    }
  }
}

function livesOf(expiration: number | number[]): string {
  if (typeof expiration === 'number') return `${expiration} s`
  return `${Math.min(...expiration)}–${Math.max(...expiration)} s`
}

/** What came from outside must not steer a terminal. */
function shown(text: string): string {
  return text.replace(/[\0-\x1f\x7f-\x9f\u2028\u2029]/g, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`)
}
