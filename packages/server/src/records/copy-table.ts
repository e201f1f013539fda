import { type RawBuilder, sql } from 'kysely'
import type { Database } from './tables.ts'

export interface CopiedTable {
  name: string
  /** Columns, in the order that rows are copied in. */
  key: readonly [string, ...string[]]
  /** Rows at a time: forms of documents may be large. */
  page: number
  /** The column that the database counts up. */
  serial?: string
  /** A unique column whose values move between rows: emptied first, so that no copy is in the way of another. */
  moving?: string
}

/** What a row refers to comes before it. */
export const COPIED_TABLES: readonly CopiedTable[] = [
  { name: 'corporations', key: ['corporation_id'], page: 500 },
  { name: 'apps', key: ['app_key'], page: 500 },
  { name: 'link_keys', key: ['id'], page: 500, serial: 'id' },
  { name: 'corporation_quotas', key: ['corporation_id'], page: 500 },
  { name: 'access_tokens', key: ['token_hash'], page: 500 },
  { name: 'attachments', key: ['file_id'], page: 500 },
  { name: 'corporation_usage', key: ['corporation_id', 'slot'], page: 100 },
  { name: 'document_counters', key: ['corporation_id', 'year'], page: 100 },
  { name: 'documents', key: ['flow_id'], page: 20, moving: 'outer_code' },
  { name: 'changes', key: ['seq'], page: 500, serial: 'seq' },
]

type Row = Record<string, unknown>

export interface TableCopy {
  from: Database
  to: Database
  table: CopiedTable
  at(): number
}

/** In the order of their keys: whatever the target has between two rows of the source, and after the last, goes. */
export async function* copyTable({
  from,
  to,
  table,
  at,
}: TableCopy): AsyncGenerator<{ rows: number; removed: number }> {
  if (table.moving !== undefined) await raw(to, emptied(table.name, table.moving))
  for (let after: Row | undefined; ; ) {
    const page = await pageOf(from, table, after)
    const last = page.at(-1)
    let removed = 0
    const since = after
    await to.transaction().execute(async (transaction) => {
      removed = await removeOthers(transaction, table, { page, after: since, last })
      if (page.length > 0) await upsert(transaction, table, page)
      await sql`
        insert into record_copies (id, at) values (1, ${at()}) on conflict (id) do update set at = excluded.at
      `.execute(transaction)
    })
    yield { rows: page.length, removed }
    if (last === undefined) return
    after = last
  }
}

// Rows come and go as the tables have them: camelCase is for those who know their types.
const raw = <Result>(db: Database, statement: RawBuilder<Result>) => statement.execute(db.withoutPlugins())

async function pageOf(db: Database, { name, key, page }: CopiedTable, after: Row | undefined): Promise<Row[]> {
  const where = after === undefined ? sql`` : sql`where ${tuple(key)} > ${values(key, after)}`
  const statement = sql<Row>`select * from ${sql.table(name)} ${where} order by ${columns(key)} limit ${sql.lit(page)}`
  return (await raw(db, statement)).rows
}

async function removeOthers(
  db: Database,
  { name, key }: CopiedTable,
  { page, after, last }: { page: Row[]; after: Row | undefined; last: Row | undefined },
): Promise<number> {
  const bounds = [
    ...(after === undefined ? [] : [sql`${tuple(key)} > ${values(key, after)}`]),
    ...(last === undefined ? [] : [sql`${tuple(key)} <= ${values(key, last)}`]),
    ...(page.length === 0 ? [] : [sql`not (${isOneOf(key, page)})`]),
  ]
  const where = bounds.length === 0 ? sql`` : sql`where ${sql.join(bounds, sql` and `)}`
  const { numAffectedRows } = await raw(db, sql`delete from ${sql.table(name)} ${where}`)
  return Number(numAffectedRows ?? 0n)
}

function isOneOf(key: CopiedTable['key'], page: Row[]): RawBuilder<unknown> {
  const [first, ...more] = key
  if (more.length === 0) return sql`${sql.ref(first)} in (${sql.join(page.map((row) => row[first]))})`
  const same = page.map(
    (row) =>
      sql`(${sql.join(
        key.map((name) => sql`${sql.ref(name)} = ${row[name]}`),
        sql` and `,
      )})`,
  )
  return sql.join(same, sql` or `)
}

function emptied(name: string, column: string): RawBuilder<unknown> {
  return sql`update ${sql.table(name)} set ${sql.ref(column)} = null where ${sql.ref(column)} is not null`
}

async function upsert(db: Database, { name, key }: CopiedTable, page: Row[]): Promise<void> {
  const names = Object.keys(page[0] ?? {})
  const others = names.filter((column) => !key.includes(column))
  const set = others.map((column) => sql`${sql.ref(column)} = excluded.${sql.ref(column)}`)
  await raw(
    db,
    sql`insert into ${sql.table(name)} (${columns(names)}) values ${sql.join(rowsOf(names, page))}
        on conflict (${columns(key)}) do update set ${sql.join(set)}`,
  )
}

const columns = (names: readonly string[]) => sql.join(names.map((name) => sql.ref(name)))
const tuple = (names: readonly string[]) => sql`(${columns(names)})`
const values = (names: readonly string[], row: Row) => sql`(${sql.join(names.map((name) => row[name]))})`
const rowsOf = (names: readonly string[], rows: Row[]) => rows.map((row) => values(names, row))
