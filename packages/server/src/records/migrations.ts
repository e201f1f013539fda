import { type Kysely, sql } from 'kysely'
import type { Migration } from 'kysely/migration'

/**
 * Forward only: a migration that has been released is never edited. Types are those that SQLite and PostgreSQL both
 * know; `collate` keeps text comparison by byte on both. Nodes of the release before work on beside a newer one, so a
 * migration only adds; one that can not is named with `BREAKING` at the end, and older nodes refuse to start after it.
 */
export function migrations(types: ColumnTypes): Record<string, Migration> {
  return {
    '0001-attachments': { up: (db) => attachmentsAndLinks(db, types) },
    '0002-documents': { up: (db) => documents(db, types) },
    '0003-link-epochs-and-quotas': { up: (db) => linkEpochsAndQuotas(db, types) },
    '0004-blobs-and-copies': { up: (db) => blobsAndCopies(db) },
  }
}

export const BREAKING = '-breaking'

export interface ColumnTypes {
  /** A text column compared byte by byte. */
  text: string
  /** A counter that the database raises. */
  serial: string
}

// A migration sees tables as they are at its time, so it knows no table type.
async function attachmentsAndLinks(db: Kysely<unknown>, { text, serial }: ColumnTypes): Promise<void> {
  const statements = [
    `create table corporations (corporation_id ${text} primary key, name ${text} not null, link_epoch integer not null default 1, demo integer not null default 0, created_at bigint not null)`,
    `create table apps (app_key ${text} primary key, corporation_id ${text} not null references corporations, secret_hash ${text} not null, created_at bigint not null, disabled_at bigint)`,
    `create table access_tokens (token_hash ${text} primary key, refresh_hash ${text} not null, app_key ${text} not null references apps, corporation_id ${text} not null, expires_at bigint not null)`,
    'create index access_tokens_expires_at on access_tokens (expires_at)',
    `create table attachments (file_id ${text} primary key, corporation_id ${text} not null references corporations, key ${text} not null unique, file_name ${text} not null, blob_id ${text} not null, size bigint not null, md5 ${text} not null, sha256 ${text} not null, crc64 ${text} not null, content_type ${text} not null, created_at bigint not null)`,
    `create table link_keys (id ${serial}, salt ${text} not null, created_at bigint not null, retired_at bigint)`,
    `create table changes (seq ${serial}, kind ${text} not null, subject ${text} not null, at bigint not null)`,
  ]
  for (const statement of statements) await sql.raw(statement).execute(db)
}

async function documents(db: Kysely<unknown>, { text }: ColumnTypes): Promise<void> {
  const statements = [
    `create table documents (flow_id ${text} primary key, corporation_id ${text} not null references corporations, code ${text} not null, outer_code ${text}, state ${text} not null, form_type ${text} not null, version integer not null, form text not null, attachments text not null, logs text not null, created_at bigint not null, updated_at bigint not null, deleted_at bigint, unique (corporation_id, code), unique (corporation_id, outer_code))`,
    `create table document_counters (corporation_id ${text} not null references corporations, year integer not null, last integer not null, primary key (corporation_id, year))`,
  ]
  for (const statement of statements) await sql.raw(statement).execute(db)
}

/**
 * Only adds: a node of the release before goes on beside this one. It knows no epoch of an attachment, and counts no use:
 * `quota recount` mends what it left out.
 */
async function linkEpochsAndQuotas(db: Kysely<unknown>, { text }: ColumnTypes): Promise<void> {
  const statements = [
    'alter table attachments add column link_epoch integer not null default 0',
    `create table corporation_quotas (corporation_id ${text} primary key references corporations, bytes bigint, attachments bigint, requests_per_minute bigint, links_per_minute bigint, thumbnails_per_minute bigint)`,
    `create table corporation_usage (corporation_id ${text} not null references corporations, slot integer not null, bytes bigint not null, attachments bigint not null, primary key (corporation_id, slot))`,
    'insert into corporation_usage select corporation_id, 0, sum(size), count(*) from attachments group by corporation_id',
  ]
  for (const statement of statements) await sql.raw(statement).execute(db)
}

/** `record_copies` is written where a copy of another database arrives: when its last page did. */
async function blobsAndCopies(db: Kysely<unknown>): Promise<void> {
  const statements = [
    'create index attachments_blob_id on attachments (blob_id)',
    'create table record_copies (id integer primary key, at bigint not null)',
  ]
  for (const statement of statements) await sql.raw(statement).execute(db)
}
