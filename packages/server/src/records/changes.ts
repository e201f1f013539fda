import type { Transaction } from 'kysely'
import type { RecordDialect } from './dialects.ts'
import type { Change, RecordStore } from './record-store.ts'
import type { Parts, Tables } from './tables.ts'

export type NewChange = Omit<Change, 'seq'> & { at: number }

const CHANGES_AT_ONCE = 1000

export function changes({
  db,
  writeOne,
}: Pick<Parts, 'db' | 'writeOne'>): Pick<RecordStore, 'changesSince' | 'lastChange' | 'pruneChanges'> {
  return {
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
      const old = db.selectFrom('changes').select('seq').where('at', '<', before).limit(1)
      // A write that finds nothing to do would pass for one that worked.
      if ((await old.executeTakeFirst()) === undefined) return
      await writeOne((database) => database.deleteFrom('changes').where('at', '<', before).execute())
    },
  }
}

/** Tells all nodes of a change. Stands last in its transaction: it makes other changes wait for the commit. */
export async function note(
  transaction: Transaction<Tables>,
  change: NewChange,
  dialect: Pick<RecordDialect, 'beforeChange'>,
): Promise<void> {
  await inTurn(transaction, dialect)
  await transaction.insertInto('changes').values(change).execute()
}

/** From here to its end this transaction is the only one that notes a change. */
export async function inTurn(
  transaction: Transaction<Tables>,
  { beforeChange }: Pick<RecordDialect, 'beforeChange'>,
): Promise<void> {
  if (beforeChange) await beforeChange.execute(transaction)
}
