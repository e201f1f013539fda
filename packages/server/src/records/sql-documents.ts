import type { Transaction } from 'kysely'
import type { DocumentRecord, DocumentRecords, NewDocument } from './document-records.ts'
import type { Parts, Tables } from './tables.ts'

export function documents({ db, dialect, write, writeOne }: Parts): DocumentRecords {
  return {
    async add(document) {
      let outcome: DocumentRecord | 'code-taken' | 'outer-code-taken' = 'code-taken'
      await lookingAgain(() =>
        write(async (transaction) => {
          outcome = await addOne(transaction, document)
        }),
      )
      return outcome
    },
    byId: (flowId) => db.selectFrom('documents').selectAll().where('flowId', '=', flowId).executeTakeFirst(),
    byCode: (corporationId, code) =>
      db
        .selectFrom('documents')
        .selectAll()
        .where('corporationId', '=', corporationId)
        .where('code', '=', code)
        .executeTakeFirst(),
    listings: (flowIds) =>
      db
        .selectFrom('documents')
        .select(['flowId', 'corporationId', 'code', 'formType', 'attachments', 'deletedAt'])
        .where(({ ref }) => dialect.isOneOf(ref('flowId'), flowIds))
        .execute(),
    async replace({ flowId, version, ...document }) {
      let outcome: 'replaced' | 'stale' | 'outer-code-taken' = 'stale'
      await lookingAgain(() =>
        write(async (transaction) => {
          const holder = await holderOf(transaction, document)
          if (holder !== undefined && holder !== flowId) {
            outcome = 'outer-code-taken'
            return
          }
          const { numUpdatedRows } = await transaction
            .updateTable('documents')
            .set({ ...document, version })
            .where('flowId', '=', flowId)
            .where('version', '=', version - 1)
            .where('deletedAt', 'is', null)
            .executeTakeFirst()
          outcome = numUpdatedRows > 0n ? 'replaced' : 'stale'
        }),
      )
      return outcome
    },
    async remove(corporationId, code, at) {
      let removed = false
      await writeOne(async (database) => {
        const { numUpdatedRows } = await database
          .updateTable('documents')
          .set({ deletedAt: at, outerCode: null, form: '{}', attachments: '[]', logs: '[]' })
          .where('corporationId', '=', corporationId)
          .where('code', '=', code)
          .where('deletedAt', 'is', null)
          .executeTakeFirst()
        removed = numUpdatedRows > 0n
      })
      return removed
    },
  }

  /** Another node may have written between the look and the write: then the database refuses, and a second look finds what is taken. */
  async function lookingAgain(work: () => Promise<void>): Promise<void> {
    try {
      await work()
    } catch (error) {
      if (!dialect.isConstraint(error)) throw error
      await work()
    }
  }
}

/** Looks before it writes: what is refused must not use up a code, and may share its transaction with others' writes. */
async function addOne(transaction: Transaction<Tables>, document: NewDocument) {
  if ((await holderOf(transaction, document)) !== undefined) return 'outer-code-taken'
  const code = await freeCode(transaction, document)
  if (code === undefined) return 'code-taken'
  const { createdAt } = document
  const row = { ...document, code, form: document.form(code), version: 1, updatedAt: createdAt, deletedAt: null }
  await transaction.insertInto('documents').values(row).execute()
  return row
}

async function freeCode(transaction: Transaction<Tables>, { corporationId, code }: NewDocument) {
  if (typeof code === 'string') return (await isTaken(transaction, corporationId, code)) ? undefined : code
  // Codes that callers brought may look like ours: those are passed over.
  for (;;) {
    const { last } = await transaction
      .insertInto('documentCounters')
      .values({ corporationId, year: code.year, last: 1 })
      .onConflict((conflict) =>
        conflict
          .columns(['corporationId', 'year'])
          .doUpdateSet(({ eb }) => ({ last: eb('documentCounters.last', '+', 1) })),
      )
      .returning('last')
      .executeTakeFirstOrThrow()
    const next = code.spell(last)
    if (!(await isTaken(transaction, corporationId, next))) return next
  }
}

async function isTaken(transaction: Transaction<Tables>, corporationId: string, code: string): Promise<boolean> {
  const row = await transaction
    .selectFrom('documents')
    .select('flowId')
    .where('corporationId', '=', corporationId)
    .where('code', '=', code)
    .executeTakeFirst()
  return row !== undefined
}

/** The document that has this outerCode already. */
async function holderOf(
  transaction: Transaction<Tables>,
  { corporationId, outerCode }: Pick<DocumentRecord, 'corporationId' | 'outerCode'>,
): Promise<string | undefined> {
  if (outerCode === null) return undefined
  const row = await transaction
    .selectFrom('documents')
    .select('flowId')
    .where('corporationId', '=', corporationId)
    .where('outerCode', '=', outerCode)
    .executeTakeFirst()
  return row?.flowId
}
