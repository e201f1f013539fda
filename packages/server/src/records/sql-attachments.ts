import { note } from './changes.ts'
import { prepared } from './prepared.ts'
import type { AttachmentRecord, AttachmentRecords } from './record-store.ts'
import { resolved } from './resolved.ts'
import { ADDED_UP, attachmentCount, slotOf } from './sql-quotas.ts'
import type { Database, Parts } from './tables.ts'

const EMPTY: AttachmentRecord = {
  fileId: '',
  corporationId: '',
  key: '',
  fileName: '',
  blobId: '',
  size: 0,
  md5: '',
  sha256: '',
  crc64: '',
  contentType: '',
  createdAt: 0,
  linkEpoch: 0,
}
const COLUMNS = Object.keys(EMPTY) as (keyof AttachmentRecord)[]

export function attachments({ db, dialect, write, writeOne }: Parts): AttachmentRecords {
  const sideBySide = !dialect.groupsCommits
  const count = attachmentCount(db, sideBySide)
  const insert = dialect.insertsInWith ? insertAtOnce : insertInTurn
  const insertNew = prepared(
    db
      .insertInto('attachments')
      .values(EMPTY)
      .onConflict((conflict) => conflict.doNothing()),
  )

  /** Says whether it was added: not where the same `fileId` or key is there. Of two at once one may meet either of them first. */
  async function insertInTurn(database: Database, attachment: AttachmentRecord): Promise<boolean> {
    const values = COLUMNS.map((column) => attachment[column])
    const { numAffectedRows } = await insertNew(database, values)
    if (numAffectedRows !== 1n) return false
    await count(database, attachment, 1)
    return true
  }

  /** The same in one statement, and so in one round trip. */
  async function insertAtOnce(database: Database, attachment: AttachmentRecord): Promise<boolean> {
    const slot = slotOf(sideBySide)
    const { numInsertedOrUpdatedRows } = await database
      .with('added', (query) =>
        query
          .insertInto('attachments')
          .values(attachment)
          .onConflict((conflict) => conflict.doNothing())
          .returning(['corporationId', 'size']),
      )
      .insertInto('corporationUsage')
      .columns(['corporationId', 'slot', 'bytes', 'attachments'])
      .expression((query) =>
        query
          .selectFrom('added')
          .select(({ lit }) => ['corporationId', lit(slot).as('slot'), 'size', lit(1).as('attachments')]),
      )
      .onConflict((conflict) => conflict.columns(['corporationId', 'slot']).doUpdateSet(ADDED_UP))
      .executeTakeFirst()
    return numInsertedOrUpdatedRows === 1n
  }

  async function addOnce(database: Database, attachment: AttachmentRecord): Promise<void> {
    if (await insert(database, attachment)) return
    const { fileId, blobId } = attachment
    const there = await database
      .selectFrom('attachments')
      .select('blobId')
      .where('fileId', '=', fileId)
      .executeTakeFirst()
    // Another attachment with this id or this key: the database refuses it.
    if (there?.blobId !== blobId) await database.insertInto('attachments').values(attachment).execute()
  }

  return {
    add(attachment) {
      const add = () => writeOne((database) => addOnce(database, attachment))
      return dialect.losesAnswers ? resolved(add, { unknown: 'StoredPerhaps' }) : add()
    },
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
        if (!removed) return
        await count(transaction, removed, -1)
        await note(transaction, { kind: 'attachment-removed', subject: subjectOf(removed), at }, dialect)
      })
      return removed
    },
    async revokeLinks(fileId, at) {
      let revoked: AttachmentRecord | undefined
      await write(async (transaction) => {
        revoked = await transaction
          .updateTable('attachments')
          .set(({ eb }) => ({ linkEpoch: eb('linkEpoch', '+', 1) }))
          .where('fileId', '=', fileId)
          .returningAll()
          .executeTakeFirst()
        if (!revoked) return
        await note(transaction, { kind: 'attachment-links-revoked', subject: subjectOf(revoked), at }, dialect)
      })
      return revoked
    },
    page: (afterFileId, limit) =>
      db
        .selectFrom('attachments')
        .selectAll()
        .$if(afterFileId !== undefined, (query) => query.where('fileId', '>', afterFileId ?? ''))
        .orderBy('fileId')
        .limit(limit)
        .execute(),
    async usedBlobIds(blobIds) {
      const rows = await db
        .selectFrom('attachments')
        .select('blobId')
        .distinct()
        .where(({ ref }) => dialect.isOneOf(ref('blobId'), blobIds))
        .execute()
      return rows.map(({ blobId }) => blobId)
    },
  }
}

function subjectOf({ blobId, key }: AttachmentRecord): string {
  return `${blobId} ${key}`
}
