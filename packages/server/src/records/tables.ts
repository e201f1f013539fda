import type { Generated, Kysely, Transaction } from 'kysely'
import type { RecordDialect } from './dialects.ts'
import type { DocumentRecord } from './document-records.ts'
import type { CorporationQuota, CorporationUsage } from './quota-records.ts'
import type { AttachmentRecord, Change, TokenRecord } from './record-store.ts'
import type { Repeated } from './sqlite-aside.ts'

export interface Tables {
  corporations: { corporationId: string; name: string; linkEpoch: Generated<number>; demo: number; createdAt: number }
  apps: { appKey: string; corporationId: string; secretHash: string; createdAt: number; disabledAt: number | null }
  accessTokens: TokenRecord
  attachments: AttachmentRecord
  documents: DocumentRecord
  documentCounters: { corporationId: string; year: number; last: number }
  corporationQuotas: CorporationQuota
  corporationUsage: CorporationUsage & { slot: number }
  linkKeys: { id: Generated<number>; salt: string; createdAt: number; retiredAt: number | null }
  changes: { seq: Generated<number>; kind: Change['kind']; subject: string; at: number }
}

export type Database = Kysely<Tables>

/** Commits what is written in it, or nothing; it may be run a second time. */
export type Write = (write: (transaction: Transaction<Tables>) => Promise<unknown>) => Promise<void>

/** The same for what is one statement, or harmless where it stops between two; costs no more than the statement. */
export type WriteOne = (write: (db: Database) => Promise<unknown>) => Promise<void>

/** What the records of one kind are made from. */
export interface Parts {
  db: Database
  dialect: RecordDialect
  write: Write
  writeOne: WriteOne
  /** Runs what takes long beside the requests, where the database is in this process. */
  aside?: ((repeated: Repeated) => Promise<void>) | undefined
}
