import { CamelCasePlugin, Kysely, type Transaction } from 'kysely'
import { Migrator } from 'kysely/migration'
import type { RecordDialect } from './dialects.ts'
import { groupCommit } from './group-commit.ts'
import { migrations } from './migrations.ts'
import type {
  AppRecords,
  AttachmentRecord,
  AttachmentRecords,
  Change,
  LinkRecords,
  RecordStore,
  TokenRecords,
} from './record-store.ts'
import { documents } from './sql-documents.ts'
import type { Parts, Tables, Write } from './tables.ts'

const CHANGES_AT_ONCE = 1000

/** The one SQL implementation. Opening it brings the schema up to date. */
export async function sqlRecords(dialect: RecordDialect): Promise<RecordStore> {
  const db = new Kysely<Tables>({ dialect: dialect.dialect, plugins: [new CamelCasePlugin()] })
  const provider = { getMigrations: async () => migrations(dialect.types) }
  const { error } = await new Migrator({ db, provider }).migrateToLatest()
  if (error !== undefined) {
    await db.destroy()
    throw new Error('the database could not be brought up to date', { cause: error })
  }
  const alone: Write = (write) => db.transaction().execute(async (transaction) => void (await write(transaction)))
  const grouped = groupCommit<Transaction<Tables>>({
    begin: (work) => db.transaction().execute(work),
    blamesOneWrite: dialect.isConstraint,
  })
  const parts: Parts = { db, dialect, write: dialect.groupsCommits ? grouped : alone }
  return {
    apps: apps(parts),
    tokens: tokens(parts),
    attachments: attachments(parts),
    documents: documents(parts),
    links: links(parts),
    changesSince: (since) =>
      db
        .selectFrom('changes')
        .select(['seq', 'kind', 'subject'])
        .where('seq', '>', since)
        .orderBy('seq')
        .limit(CHANGES_AT_ONCE)
        .execute(),
    async lastChange() {
      const newest = await db.selectFrom('changes').select('seq').orderBy('seq', 'desc').limit(1).executeTakeFirst()
      return newest?.seq ?? 0
    },
    async pruneChanges(before) {
      await db.deleteFrom('changes').where('at', '<', before).execute()
    },
    async check() {
      await db.selectFrom('corporations').select('corporationId').limit(1).execute()
    },
    close: () => db.destroy(),
  }
}

function apps({ db, write }: Parts): AppRecords {
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
        if (disabled) await note(transaction, { kind: 'app-disabled', subject: appKey, at })
      })
      return disabled
    },
  }
}

function tokens({ db, write }: Parts): TokenRecords {
  return {
    add: (token) => write((transaction) => transaction.insertInto('accessTokens').values(token).execute()),
    find: (tokenHash) =>
      db
        .selectFrom('accessTokens')
        .innerJoin('apps', 'apps.appKey', 'accessTokens.appKey')
        .selectAll('accessTokens')
        .where('tokenHash', '=', tokenHash)
        .where('apps.disabledAt', 'is', null)
        .executeTakeFirst(),
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
        await note(transaction, { kind: 'token-replaced', subject: tokenHash, at })
      })
      return replaced
    },
    async sweep(before, limit) {
      const old = db
        .selectFrom('accessTokens')
        .select('tokenHash')
        .where('expiresAt', '<', before)
        .orderBy('expiresAt')
        .limit(limit)
      const result = await db.deleteFrom('accessTokens').where('tokenHash', 'in', old).executeTakeFirst()
      return Number(result.numDeletedRows)
    },
  }
}

function attachments({ db, dialect, write }: Parts): AttachmentRecords {
  return {
    add: (attachment) => write((transaction) => transaction.insertInto('attachments').values(attachment).execute()),
    byFileIds: (fileIds) =>
      db
        .selectFrom('attachments')
        .selectAll()
        .where(({ ref }) => dialect.isOneOf(ref('fileId'), fileIds))
        .execute(),
    byKey: (key) => db.selectFrom('attachments').selectAll().where('key', '=', key).executeTakeFirst(),
    async remove(fileId, at) {
      let removed: AttachmentRecord | undefined
      await write(async (transaction) => {
        removed = await transaction
          .deleteFrom('attachments')
          .where('fileId', '=', fileId)
          .returningAll()
          .executeTakeFirst()
        if (removed)
          await note(transaction, { kind: 'attachment-removed', subject: `${removed.blobId} ${removed.key}`, at })
      })
      return removed
    },
  }
}

function links({ db, write }: Parts): LinkRecords {
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
        if (row) await note(transaction, { kind: 'links-revoked', subject: corporationId, at })
      })
      return epoch
    },
    keys: () => db.selectFrom('linkKeys').selectAll().orderBy('id', 'desc').execute(),
    rotateKey: (salt, at, retireOthersAt) =>
      write(async (transaction) => {
        await transaction
          .updateTable('linkKeys')
          .set({ retiredAt: retireOthersAt })
          .where((eb) => eb.or([eb('retiredAt', 'is', null), eb('retiredAt', '>', retireOthersAt)]))
          .execute()
        await transaction.insertInto('linkKeys').values({ salt, createdAt: at, retiredAt: null }).execute()
        await note(transaction, { kind: 'keys-rotated', subject: '', at })
      }),
  }
}

function note(
  transaction: Transaction<Tables>,
  change: { kind: Change['kind']; subject: string; at: number },
): Promise<unknown> {
  return transaction.insertInto('changes').values(change).execute()
}
