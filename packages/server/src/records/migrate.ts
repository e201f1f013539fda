import { Kysely } from 'kysely'
import { type Migration, Migrator } from 'kysely/migration'
import { ConfigError, NoStore } from '../errors.ts'
import type { RecordDialect } from './dialects.ts'
import { BREAKING, migrations } from './migrations.ts'
import type { Database } from './tables.ts'

export interface MigrationOptions {
  dialect: RecordDialect
  /** False leaves a database alone that no release has set up, and throws `NoStore`. */
  create?: boolean
}

/** Runs what is not yet there, one node at a time; what a newer release has added stays. Throws a `ConfigError` where the operator can help. */
export async function bringUpToDate(db: Database, { dialect, create = true }: MigrationOptions): Promise<void> {
  const { patient } = dialect
  const own = patient && new Kysely<MigrationTable>({ dialect: patient })
  try {
    const its = own ?? db.withTables<MigrationTable>()
    if (!create && (await namesIn(its)).length === 0) throw new NoStore('kysely_migration')
    await migrate(its, migrations(dialect.types))
  } catch (cause) {
    if (cause instanceof ConfigError || cause instanceof NoStore || dialect.isLocked?.(cause)) throw cause
    const sentence = dialect.refusal?.(cause)
    if (sentence !== undefined) throw new ConfigError(sentence, { cause })
    throw new Error('the database could not be brought up to date', { cause })
  } finally {
    await own?.destroy()
  }
}

type MigrationTable = { kysely_migration: { name: string } }

async function migrate(db: Kysely<MigrationTable>, known: Record<string, Migration>): Promise<void> {
  for (;;) {
    const there = await namesIn(db)
    const newer = there.filter((name) => !(name in known))
    const breaking = newer.find((name) => name.endsWith(BREAKING))
    if (breaking !== undefined) {
      throw new ConfigError(`a newer release has changed the database (${breaking}): run that release here as well.`)
    }
    const provider = { getMigrations: async () => ({ ...known, ...Object.fromEntries(newer.map(doneAlready)) }) }
    const { error } = await new Migrator({ db, provider }).migrateToLatest()
    if (error === undefined) return
    // A newer node may have come in between.
    if ((await namesIn(db)).length === there.length) throw error
  }
}

function doneAlready(name: string): [string, Migration] {
  return [name, { up: async () => {} }]
}

async function namesIn(db: Kysely<MigrationTable>): Promise<string[]> {
  const tables = await db.introspection.getTables({ withInternalKyselyTables: true })
  if (!tables.some(({ name }) => name === 'kysely_migration')) return []
  return (await db.selectFrom('kysely_migration').select('name').execute()).map(({ name }) => name)
}
