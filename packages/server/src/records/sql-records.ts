import { CamelCasePlugin, Kysely, sql, type Transaction } from 'kysely'
import { changes, inTurn, note } from './changes.ts'
import type { Listener, RecordDialect } from './dialects.ts'
import { groupCommit } from './group-commit.ts'
import { bringUpToDate } from './migrate.ts'
import { prepared } from './prepared.ts'
import type { AppRecords, LinkRecords, RecordStore, TokenRecords } from './record-store.ts'
import { resolved } from './resolved.ts'
import { attachments } from './sql-attachments.ts'
import { documents } from './sql-documents.ts'
import { quotas } from './sql-quotas.ts'
import type { Parts, Tables, Write, WriteOne } from './tables.ts'
import { onceUnlocked } from './unlocked.ts'
import { writeGuard } from './write-guard.ts'

/** The one SQL implementation. Opening it brings the schema up to date; without `create` only where there is one. */
export async function sqlRecords(dialect: RecordDialect, { create = true } = {}): Promise<RecordStore> {
  const db = new Kysely<Tables>({ dialect: dialect.dialect, plugins: [new CamelCasePlugin()] })
  try {
    await onceUnlocked(() => bringUpToDate(db, { dialect, create }), dialect.isLocked)
  } catch (error) {
    await db.destroy()
    throw error
  }
  const { guard, ...writes } = writesOf(db, dialect)
  const parts: Parts = { db, dialect, ...writes }
  const listeners: Listener[] = []
  const { listen } = dialect
  return {
    apps: apps(parts),
    tokens: tokens(parts),
    attachments: attachments(parts),
    documents: documents(parts),
    links: links(parts),
    quotas: quotas(parts),
    ...changes(parts),
    ...(listen && { watch: (onChange: () => void) => void listeners.push(listen(onChange)) }),
    trouble: guard.trouble,
    async check() {
      await guard.check()
      await db.selectFrom('corporations').select('corporationId').limit(1).execute()
    },
    async close() {
      await Promise.all(listeners.map((listener) => listener.close()))
      await db.destroy()
    },
  }
}

function writesOf(db: Kysely<Tables>, dialect: RecordDialect) {
  const alone: Write = (write) => db.transaction().execute(async (transaction) => void (await write(transaction)))
  const atOnce: WriteOne = async (write) => void (await write(db))
  const grouped = groupCommit<Transaction<Tables>>({
    begin: (work) => onceUnlocked(() => db.transaction().execute(work), dialect.isLocked),
    blamesOneWrite: dialect.isConstraint,
  })
  const write = dialect.groupsCommits ? grouped : alone
  const guard = writeGuard({
    troubleOf: dialect.troubleOf ?? (() => undefined),
    probe: () => write(comeAndGo),
  })
  const writeOne: WriteOne = dialect.groupsCommits ? grouped : atOnce
  const aside = dialect.aside && guard.guarded(dialect.aside)
  return { guard, write: guard.guarded(write), writeOne: guard.guarded(writeOne), aside }
}

function apps({ db, dialect, write }: Parts): AppRecords {
  const all = () =>
    db
      .selectFrom('apps')
      .innerJoin('corporations', 'corporations.corporationId', 'apps.corporationId')
      .select([
        'apps.appKey',
        'apps.corporationId',
        'corporations.name as corporationName',
        'apps.secretHash',
        'corporations.demo',
        'apps.createdAt',
        'apps.disabledAt',
      ])
  return {
    add: (app) =>
      write(async (transaction) => {
        const { corporationId, corporationName: name, demo, createdAt, appKey, secretHash, disabledAt } = app
        const corporation = { corporationId, name, demo: demo ? 1 : 0, createdAt }
        await transaction
          .insertInto('corporations')
          .values(corporation)
          .onConflict((conflict) => conflict.doNothing())
          .execute()
        await transaction
          .insertInto('apps')
          .values({ appKey, corporationId, secretHash, createdAt, disabledAt })
          .execute()
      }),
    async find(appKey) {
      const row = await all().where('apps.appKey', '=', appKey).executeTakeFirst()
      return row && { ...row, demo: row.demo === 1 }
    },
    async list() {
      const rows = await all().orderBy('apps.createdAt').execute()
      return rows.map((row) => ({ ...row, demo: row.demo === 1 }))
    },
    async disable(appKey, at) {
      let disabled = false
      await write(async (transaction) => {
        const result = await transaction
          .updateTable('apps')
          .set({ disabledAt: at })
          .where('appKey', '=', appKey)
          .where('disabledAt', 'is', null)
          .executeTakeFirst()
        disabled = result.numUpdatedRows > 0n
        if (disabled) await note(transaction, { kind: 'app-disabled', subject: appKey, at }, dialect)
      })
      return disabled
    },
  }
}

function tokens({ db, dialect, write, writeOne, aside }: Parts): TokenRecords {
  const insert = prepared(
    db
      .insertInto('accessTokens')
      .values({ tokenHash: '', refreshHash: '', appKey: '', corporationId: '', expiresAt: 0 })
      .onConflict((conflict) => conflict.column('tokenHash').doNothing()),
  )
  const select = prepared(
    db
      .selectFrom('accessTokens')
      .innerJoin('apps', 'apps.appKey', 'accessTokens.appKey')
      .selectAll('accessTokens')
      .where('tokenHash', '=', '')
      .where('apps.disabledAt', 'is', null),
  )
  return {
    add({ tokenHash, refreshHash, appKey, corporationId, expiresAt }) {
      const values = [tokenHash, refreshHash, appKey, corporationId, expiresAt]
      const add = () => writeOne((database) => insert(database, values))
      return dialect.losesAnswers ? resolved(add) : add()
    },
    async find(tokenHash) {
      const { rows } = await select(db, [tokenHash])
      return rows[0]
    },
    async replace({ tokenHash, refreshHash, at }, next) {
      let replaced = false
      await write(async (transaction) => {
        const gone = await transaction
          .deleteFrom('accessTokens')
          .where('tokenHash', '=', tokenHash)
          .where('refreshHash', '=', refreshHash)
          .executeTakeFirst()
        replaced = gone.numDeletedRows > 0n
        if (!replaced) return
        await transaction.insertInto('accessTokens').values(next).execute()
        await note(transaction, { kind: 'token-replaced', subject: tokenHash, at }, dialect)
      })
      return replaced
    },
    async sweep(before, limit) {
      let swept = 0
      const old = oldest(db, { before, limit: 1 })
      // A write that finds nothing to do would pass for one that worked.
      if ((await old.executeTakeFirst()) === undefined) return swept
      await writeOne(async (database) => {
        const { numDeletedRows } = await expired(database, { before, limit }).executeTakeFirstOrThrow()
        swept = Number(numDeletedRows)
      })
      return swept
    },
    ...(aside && {
      sweepAside: (before: number, signal: AbortSignal) =>
        aside({ ...expired(db, { before, limit: 1 }).compile(), signal }),
    }),
  }
}

interface Expired {
  before: number
  limit: number
}

function oldest(db: Kysely<Tables>, { before, limit }: Expired) {
  return db
    .selectFrom('accessTokens')
    .select('tokenHash')
    .where('expiresAt', '<', before)
    .orderBy('expiresAt')
    .limit(limit)
}

function expired(db: Kysely<Tables>, asked: Expired) {
  return db.deleteFrom('accessTokens').where('tokenHash', 'in', oldest(db, asked))
}

function links({ db, dialect, write }: Parts): LinkRecords {
  return {
    async corporation(corporationId) {
      const row = await db
        .selectFrom('corporations')
        .select(['corporationId', 'linkEpoch', 'demo'])
        .where('corporationId', '=', corporationId)
        .executeTakeFirst()
      return row && { ...row, demo: row.demo === 1 }
    },
    async raiseEpoch(corporationId, at) {
      let epoch: number | undefined
      await write(async (transaction) => {
        const row = await transaction
          .updateTable('corporations')
          .set(({ eb }) => ({ linkEpoch: eb('linkEpoch', '+', 1) }))
          .where('corporationId', '=', corporationId)
          .returning('linkEpoch')
          .executeTakeFirst()
        epoch = row?.linkEpoch
        if (row) await note(transaction, { kind: 'links-revoked', subject: corporationId, at }, dialect)
      })
      return epoch
    },
    keys: () => db.selectFrom('linkKeys').selectAll().orderBy('id', 'desc').execute(),
    ensureKey: (salt, at) =>
      write(async (transaction) => {
        await inTurn(transaction, dialect)
        const { numInsertedOrUpdatedRows } = await transaction
          .insertInto('linkKeys')
          .columns(['salt', 'createdAt'])
          .expression(
            transaction
              .selectNoFrom(({ val }) => [val(salt).as('salt'), sql<number>`cast(${at} as bigint)`.as('createdAt')])
              .where(({ exists, not, selectFrom }) => not(exists(selectFrom('linkKeys').select('id')))),
          )
          .executeTakeFirst()
        if (numInsertedOrUpdatedRows === 1n) await note(transaction, { kind: 'keys-rotated', subject: '', at }, dialect)
      }),
    rotateKey: (salt, at, retireOthersAt) =>
      write(async (transaction) => {
        await transaction
          .updateTable('linkKeys')
          .set({ retiredAt: retireOthersAt })
          .where((eb) => eb.or([eb('retiredAt', 'is', null), eb('retiredAt', '>', retireOthersAt)]))
          .execute()
        await transaction.insertInto('linkKeys').values({ salt, createdAt: at, retiredAt: null }).execute()
        await note(transaction, { kind: 'keys-rotated', subject: '', at }, dialect)
      }),
  }
}

/** A write that leaves nothing but a number used up. One that sets what is there would not be written at all. */
async function comeAndGo(transaction: Transaction<Tables>): Promise<void> {
  await transaction.insertInto('changes').values({ kind: 'quota-changed', subject: '', at: PROBE }).execute()
  await transaction.deleteFrom('changes').where('at', '=', PROBE).execute()
}

// No change is of this time.
const PROBE = -1
