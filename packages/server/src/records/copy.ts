import { CamelCasePlugin, Kysely, sql } from 'kysely'
import { ConfigError } from '../errors.ts'
import { COPIED_TABLES, type CopiedTable, copyTable } from './copy-table.ts'
import type { RecordDialect } from './dialects.ts'
import { bringUpToDate } from './migrate.ts'
import type { Database, Tables } from './tables.ts'

export interface CopyOptions {
  from: RecordDialect
  to: RecordDialect
  /** Unix time in milliseconds. */
  now?: () => number
  /** Called after each page with what was copied of a table so far. */
  onProgress?: (table: string, rows: number) => void
}

export interface Copied {
  /** Rows of each table. */
  rows: Record<string, number>
  /** Attachments that an earlier run had brought and that are gone from the source since. */
  removed: number
}

/**
 * Copies all records from one database to another, which then holds what the source held at the moment this began. The
 * source may go on serving; a run that was ended is run again, and so is one after which the source changed. Numbers of
 * link keys and of changes stay, so that links that were issued stay good.
 */
export async function copyRecords({ from, to, now = Date.now, onProgress = () => {} }: CopyOptions): Promise<Copied> {
  const source = opened(from)
  const target = opened(to)
  const copied: Copied = { rows: {}, removed: 0 }
  try {
    await bringUpToDate(source, { dialect: from })
    await bringUpToDate(target, { dialect: to })
    await refuseUsed(target)
    // One moment of the source, so that what a row refers to is there.
    await source
      .transaction()
      .setIsolationLevel('repeatable read')
      .execute(async (moment) => {
        for (const table of COPIED_TABLES) await copyOne(moment, table)
      })
    return copied
  } finally {
    await source.destroy()
    await target.destroy()
  }

  async function copyOne(moment: Database, table: CopiedTable): Promise<void> {
    const { name, serial } = table
    copied.rows[name] = 0
    for await (const { rows, removed } of copyTable({ from: moment, to: target, table, at: now })) {
      copied.rows[name] += rows
      if (name === 'attachments') copied.removed += removed
      onProgress(name, copied.rows[name])
    }
    if (serial !== undefined && to.raiseSerial) await to.raiseSerial(name, serial).execute(target)
  }
}

function opened(dialect: RecordDialect): Database {
  return new Kysely<Tables>({ dialect: dialect.patient ?? dialect.dialect, plugins: [new CamelCasePlugin()] })
}

/**
 * What isn't in the source is removed from the target, so the target must hold nothing but copies: it is empty at the
 * first run, and later nothing in it is younger than the last page that was copied.
 */
async function refuseUsed(target: Database): Promise<void> {
  const { rows } = await sql<{ at: number }>`select at from record_copies where id = 1`.execute(target)
  const since = rows[0]?.at
  const younger = since === undefined ? sql`` : sql`where at > ${since}`
  const found = await sql`
    select at from (
      select created_at as at from apps union all select created_at from attachments
      union all select updated_at from documents ${since === undefined ? sql`` : sql`union all select at from changes`}
    ) as written ${younger} limit 1
  `.execute(target)
  if (found.rows.length === 0) return
  throw new ConfigError('the database to copy to is in use, with records of its own: give an empty one.')
}
