import { sql } from 'kysely'
import { note } from './changes.ts'
import { prepared } from './prepared.ts'
import type { CorporationUsage, QuotaRecords } from './quota-records.ts'
import type { Database, Parts } from './tables.ts'

// Where commits go on side by side, those of one corporation must not wait for each other's row.
const SLOTS = 16

export function quotas({ db, dialect, write }: Parts): QuotaRecords {
  return {
    all: () => db.selectFrom('corporationQuotas').selectAll().execute(),
    async set(quota, at) {
      let known = false
      await write(async (transaction) => {
        const { corporationId, ...limits } = quota
        const corporation = transaction.selectFrom('corporations').select('corporationId')
        known = (await corporation.where('corporationId', '=', corporationId).executeTakeFirst()) !== undefined
        if (!known) return
        await transaction
          .insertInto('corporationQuotas')
          .values(quota)
          .onConflict((conflict) => conflict.column('corporationId').doUpdateSet(limits))
          .execute()
        await note(transaction, { kind: 'quota-changed', subject: corporationId, at }, dialect)
      })
      return known
    },
    usage: (corporationId) => usageOf(db, corporationId),
    async recount(corporationId) {
      let usage = { corporationId, bytes: 0, attachments: 0 }
      await write(async (transaction) => {
        const corporation = transaction.selectFrom('corporations').select('corporationId')
        await corporation
          .where('corporationId', '=', corporationId)
          // An upload refers to the corporation, so it waits where it could go on beside this.
          .$if(!dialect.groupsCommits, (query) => query.forUpdate())
          .execute()
        await transaction.deleteFrom('corporationUsage').where('corporationId', '=', corporationId).execute()
        const counted = await transaction
          .selectFrom('attachments')
          .select(({ fn }) => [
            sql<number>`cast(coalesce(sum(size), 0) as bigint)`.as('bytes'),
            fn.countAll().as('attachments'),
          ])
          .where('corporationId', '=', corporationId)
          .executeTakeFirst()
        usage = { corporationId, bytes: Number(counted?.bytes ?? 0), attachments: Number(counted?.attachments ?? 0) }
        if (usage.attachments === 0) return
        await transaction
          .insertInto('corporationUsage')
          .values({ ...usage, slot: 0 })
          .execute()
      })
      return usage
    },
  }
}

/** What keeps the count that of the rows: run in the transaction that adds an attachment (`by` 1) or removes it (`by` -1). */
export function attachmentCount(db: Database, sideBySide: boolean) {
  const add = prepared(
    db
      .insertInto('corporationUsage')
      .values({ corporationId: '', slot: 0, bytes: 0, attachments: 0 })
      .onConflict((conflict) => conflict.columns(['corporationId', 'slot']).doUpdateSet(ADDED_UP)),
  )
  return async (database: Database, { corporationId, size }: { corporationId: string; size: number }, by: 1 | -1) => {
    await add(database, [corporationId, slotOf(sideBySide), by * size, by])
  }
}

export function slotOf(sideBySide: boolean): number {
  return sideBySide ? Math.floor(Math.random() * SLOTS) : 0
}

/** Of a row that is there: what is inserted is added to it. */
export const ADDED_UP = {
  bytes: sql<number>`corporation_usage.bytes + excluded.bytes`,
  attachments: sql<number>`corporation_usage.attachments + excluded.attachments`,
}

async function usageOf(db: Database, corporationId: string): Promise<CorporationUsage> {
  const slots = await db
    .selectFrom('corporationUsage')
    .select(['bytes', 'attachments'])
    .where('corporationId', '=', corporationId)
    .execute()
  const sum = (name: 'bytes' | 'attachments') => slots.reduce((total, slot) => total + Number(slot[name]), 0)
  return { corporationId, bytes: sum('bytes'), attachments: sum('attachments') }
}
