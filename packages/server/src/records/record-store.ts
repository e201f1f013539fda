import type { DocumentRecords } from './document-records.ts'
import type { QuotaRecords } from './quota-records.ts'

/**
 * What is known of corporations, apps, access tokens, attachments and documents. Times are Unix milliseconds. What isn't
 * there is `undefined`, never an error. A write that resolved survives a power loss. Texts are kept byte for byte: two
 * names that differ only in Unicode normalisation are two names.
 */
export interface RecordStore {
  apps: AppRecords
  tokens: TokenRecords
  attachments: AttachmentRecords
  documents: DocumentRecords
  links: LinkRecords
  quotas: QuotaRecords
  /** What changed after `since`, oldest first, at most 1,000 at a time: how caches here and on other nodes hear of it. */
  changesSince(since: number): Promise<Change[]>
  /** The newest change's number, 0 when there is none. */
  lastChange(): Promise<number>
  /** Forgets changes older than `before`. */
  pruneChanges(before: number): Promise<void>
  /** Calls `onChange` once any process may have changed something, where the database tells; asking is the floor. Ends with `close`. */
  watch?(onChange: () => void): void
  /** Why writes fail at the moment; reads go on. */
  trouble(): string | undefined
  /** Resolves when the store can answer, and can write if the last write could not. */
  check(): Promise<void>
  close(): Promise<void>
}

export interface AppRecords {
  /** Adds the app, and its corporation where that is new. */
  add(app: AppRecord): Promise<void>
  find(appKey: string): Promise<AppRecord | undefined>
  list(): Promise<AppRecord[]>
  /** False when there is no such app that is still enabled. Its tokens stop working with it. */
  disable(appKey: string, at: number): Promise<boolean>
}

export interface TokenRecords {
  /** Adding what is there already changes nothing. */
  add(token: TokenRecord): Promise<void>
  /** Only a token whose app is enabled. The caller looks at `expiresAt`. */
  find(tokenHash: string): Promise<TokenRecord | undefined>
  /** Puts `next` in the place of the old pair of hashes at the time `at`, or gives false and changes nothing when that pair is not there. */
  replace(old: { tokenHash: string; refreshHash: string; at: number }, next: TokenRecord): Promise<boolean>
  /** Removes at most `limit` tokens that expired before `before`; gives how many. */
  sweep(before: number, limit: number): Promise<number>
  /** Removes all of them on a thread of its own, until `signal` aborts; left out where nothing would be held up without one. */
  sweepAside?(before: number, signal: AbortSignal): Promise<void>
}

export interface AttachmentRecords {
  /**
   * Adding the same attachment (`fileId` and `blobId`) once more changes nothing: an answer that got lost is resolved by it,
   * or is told as `StoredPerhaps`.
   */
  add(attachment: AttachmentRecord): Promise<void>
  /** One query, whatever the number of ids; in no order, unknown ones left out. */
  byFileIds(fileIds: readonly string[]): Promise<AttachmentRecord[]>
  byKey(key: string): Promise<AttachmentRecord | undefined>
  /** The record that was removed. Its blob is the caller's to remove, after this. */
  remove(fileId: string, at: number): Promise<AttachmentRecord | undefined>
  /** Kills all links of one attachment by raising its epoch; the record as it is now. */
  revokeLinks(fileId: string, at: number): Promise<AttachmentRecord | undefined>
  /** At most `limit` records by their ids, from the one after `afterFileId` on. */
  page(afterFileId: string | undefined, limit: number): Promise<AttachmentRecord[]>
  /** Those of `blobIds` that a record names, each once, in no order. */
  usedBlobIds(blobIds: readonly string[]): Promise<string[]>
}

export interface LinkRecords {
  /** `undefined` for a corporation that isn't there. */
  corporation(corporationId: string): Promise<CorporationRecord | undefined>
  /** Kills all links of a corporation; gives its new epoch. */
  raiseEpoch(corporationId: string, at: number): Promise<number | undefined>
  /** Newest first. */
  keys(): Promise<LinkKeyRecord[]>
  /** Adds the first generation where there is none; of nodes that start at once one adds it. */
  ensureKey(salt: string, at: number): Promise<void>
  /** Adds a generation; the earlier ones end at `retireOthersAt`, unless they end before. */
  rotateKey(salt: string, at: number, retireOthersAt: number): Promise<void>
}

export interface AppRecord {
  appKey: string
  corporationId: string
  corporationName: string
  secretHash: string
  /** The corporation that `npm start` makes; refused where the service can be reached from elsewhere. */
  demo: boolean
  createdAt: number
  disabledAt: number | null
}

export interface TokenRecord {
  tokenHash: string
  refreshHash: string
  appKey: string
  corporationId: string
  expiresAt: number
}

export interface AttachmentRecord {
  fileId: string
  corporationId: string
  key: string
  fileName: string
  /** Where the bytes are. */
  blobId: string
  /** In bytes. */
  size: number
  /** Lower-case hex. */
  md5: string
  /** Lower-case hex. */
  sha256: string
  /** CRC-64/XZ, unsigned decimal. */
  crc64: string
  contentType: string
  createdAt: number
  /** 0 until its links are revoked for the first time; links of a higher epoch name it. */
  linkEpoch: number
}

export interface CorporationRecord {
  corporationId: string
  linkEpoch: number
  demo: boolean
}

export interface LinkKeyRecord {
  id: number
  /** Hex; the key itself is derived from it and the root secret, which is not in the store. */
  salt: string
  createdAt: number
  retiredAt: number | null
}

export interface Change {
  seq: number
  kind:
    | 'attachment-removed'
    | 'attachment-links-revoked'
    | 'token-replaced'
    | 'app-disabled'
    | 'links-revoked'
    | 'keys-rotated'
    | 'quota-changed'
  /** The token hash, appKey or corporation it is about; of an attachment its blobId, a space and its key. */
  subject: string
}
