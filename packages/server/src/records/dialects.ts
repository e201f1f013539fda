import { mkdirSync } from 'node:fs'
import { dirname } from 'node:path'
import { DatabaseSync, type StatementSync } from 'node:sqlite'
import {
  CompiledQuery,
  type DatabaseConnection,
  type Dialect,
  type Expression,
  type RawBuilder,
  SqliteAdapter,
  SqliteDialect,
  type SqliteDialectConfig,
  SqliteDriver,
  sql,
  type TransactionSettings,
} from 'kysely'
import type { ColumnTypes } from './migrations.ts'
import { type Repeated, repeatAside } from './sqlite-aside.ts'
import type { WriteTrouble } from './write-guard.ts'

/** What one SQL implementation needs to know of a database beyond Kysely's dialect. */
export interface RecordDialect {
  dialect: Dialect
  /** The same database without limits of time, for a migration or a copy; left out where `dialect` has none. */
  patient?: Dialect
  types: ColumnTypes
  /** Rows committed at the same moment share one transaction, because each commit waits for the disk by itself. */
  groupsCommits: boolean
  /** Whether rows of two tables may be written by one statement, as `with … as (insert …) insert …`. */
  insertsInWith: boolean
  /** Whether a write may have been carried out although it failed. */
  losesAnswers: boolean
  /** Whether a row was refused (a key that exists, a reference that doesn't), in contrast to a disk or a server that failed. */
  isConstraint(error: unknown): boolean
  /** Whether a transaction did not begin because another process is writing, which is soon over. */
  isLocked?(error: unknown): boolean
  /** Whether a write failed because of the disk, in contrast to what was written. */
  troubleOf?(error: unknown): WriteTrouble | undefined
  /** `column in (…)` as one statement and one parameter, whatever the number of values. */
  isOneOf(column: Expression<string>, values: readonly string[]): RawBuilder<boolean>
  /** To be run in a transaction before it numbers a change, so that changes are seen in the order of their numbers. */
  beforeChange?: RawBuilder<unknown>
  /** Calls `onNotice` when a change was committed anywhere, and after each time that it could not be heard. */
  listen?(onNotice: () => void): Listener
  /** A lock among all who use the database; `undefined` while somebody else holds it. Left out where it is a file of one machine. */
  lock?(): Promise<RecordLock | undefined>
  /** Runs a statement until it finds nothing more to do, without holding up what runs in this thread. */
  aside?(repeated: Repeated): Promise<void>
  /** What the operator has to mend where the database could not be opened; `undefined` for what is a fault. */
  refusal?(error: unknown): string | undefined
  /** Has the counter of a column go on after the rows that were given their numbers. */
  raiseSerial?(table: string, column: string): RawBuilder<unknown>
}

export interface RecordLock {
  /** False once the connection that held it is gone. */
  held(): boolean
  release(): Promise<void>
}

export interface Listener {
  close(): Promise<void>
}

export interface SqliteOptions {
  file: string
  /** `strict` waits for the disk at each commit (RELIABILITY: `NORMAL` loses acknowledged rows at a power loss). */
  durability: 'strict' | 'relaxed'
}

export function sqlite({ file, durability }: SqliteOptions): RecordDialect {
  const dialect = sqliteOf(() => openSqlite(file, durability))
  return { ...dialect, aside: (repeated) => repeatAside(file, repeated) }
}

/** The same in memory, with the database itself for whoever empties it. */
export function sqliteInMemory(): { dialect: RecordDialect; database: DatabaseSync } {
  const database = new DatabaseSync(':memory:')
  database.exec('pragma foreign_keys = on')
  return { dialect: sqliteOf(() => database), database }
}

function sqliteOf(open: () => DatabaseSync): RecordDialect {
  return {
    dialect: new TransactionalSqlite({ database: async () => inKyselysShape(open()) }),
    types: { text: 'text', serial: 'integer primary key autoincrement' },
    groupsCommits: true,
    insertsInWith: false,
    losesAnswers: false,
    isConstraint: (error) => (codeOf(error) & 0xff) === SQLITE_CONSTRAINT,
    isLocked: (error) => (codeOf(error) & 0xff) === SQLITE_BUSY,
    troubleOf(error) {
      const code = codeOf(error)
      if (code === SQLITE_IOERR_FSYNC || code === SQLITE_IOERR_DIR_FSYNC) return 'lost'
      return (code & 0xff) === SQLITE_IOERR ? 'failing' : code === SQLITE_FULL ? 'full' : undefined
    },
    isOneOf: (column, values) => sql`${column} in (select value from json_each(${JSON.stringify(values)}))`,
  }
}

/** SQLite rolls a change of tables back as well: a migration that is cut off leaves nothing, and the next start runs it whole. */
class TransactionalSqlite extends SqliteDialect {
  readonly #config: SqliteDialectConfig

  constructor(config: SqliteDialectConfig) {
    super(config)
    this.#config = config
  }

  override createDriver(): SqliteDriver {
    return new LockingAtOnce(this.#config)
  }

  override createAdapter(): SqliteAdapter {
    return new WithTransactionalDdl()
  }
}

/**
 * A transaction takes the lock of writers when it begins, or fails then: SQLite would wait in the thread that answers all
 * requests, and a lock that is wanted halfway may not be had at all. One that names an isolation only reads.
 */
class LockingAtOnce extends SqliteDriver {
  override async beginTransaction(connection: DatabaseConnection, settings: TransactionSettings = {}): Promise<void> {
    if (settings.isolationLevel !== undefined) return super.beginTransaction(connection)
    await connection.executeQuery(NO_WAITING)
    try {
      await connection.executeQuery(BEGIN)
    } finally {
      await connection.executeQuery(SOME_WAITING)
    }
  }
}

const BUSY_MS = 5000
const BEGIN = CompiledQuery.raw('begin immediate')
const NO_WAITING = CompiledQuery.raw('pragma busy_timeout = 0')
const SOME_WAITING = CompiledQuery.raw(`pragma busy_timeout = ${BUSY_MS}`)

class WithTransactionalDdl extends SqliteAdapter {
  override get supportsTransactionalDdl(): boolean {
    return true
  }
}

const SQLITE_BUSY = 5
const SQLITE_CONSTRAINT = 19
const SQLITE_FULL = 13
const SQLITE_IOERR = 10
const SQLITE_IOERR_FSYNC = 1034
const SQLITE_IOERR_DIR_FSYNC = 1290

function codeOf(error: unknown): number {
  return error instanceof Error && 'errcode' in error ? Number(error.errcode) : 0
}

function openSqlite(file: string, durability: SqliteOptions['durability']): DatabaseSync {
  mkdirSync(dirname(file), { recursive: true, mode: 0o700 })
  const database = new DatabaseSync(file)
  database.exec(`pragma busy_timeout = ${BUSY_MS}; pragma journal_mode = wal`)
  database.exec(`pragma synchronous = ${durability === 'strict' ? 'full' : 'normal'}`)
  database.exec('pragma foreign_keys = on; pragma journal_size_limit = 67108864')
  return database
}

// node:sqlite in the shape that Kysely expects. Statements are kept: Kysely asks for each one anew.
function inKyselysShape(database: DatabaseSync) {
  const kept = new Map<string, ReturnType<typeof shapeOf>>()
  return {
    close: () => database.close(),
    prepare(text: string) {
      // A disk that fails ends the transaction by itself; a second rollback would hide what happened.
      if (text === 'rollback' && !database.isTransaction) return NOTHING_TO_DO
      const known = kept.get(text)
      if (known) return known
      const statement = shapeOf(database.prepare(text))
      if (kept.size < MOST_STATEMENTS) kept.set(text, statement)
      return statement
    },
  }
}

function shapeOf(statement: StatementSync) {
  return {
    reader: statement.columns().length > 0,
    all: (parameters: readonly unknown[]) => statement.all(...(parameters as SqlValue[])),
    run: (parameters: readonly unknown[]) => statement.run(...(parameters as SqlValue[])),
    iterate: (parameters: readonly unknown[]) => statement.iterate(...(parameters as SqlValue[])),
  }
}

const MOST_STATEMENTS = 200

const NOTHING_TO_DO = {
  reader: false,
  all: () => [],
  run: () => ({ changes: 0, lastInsertRowid: 0 }),
  iterate: () => [][Symbol.iterator](),
}

type SqlValue = string | number | bigint | Uint8Array | null
