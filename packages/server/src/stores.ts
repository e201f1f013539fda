import { existsSync } from 'node:fs'
import { mkdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { ensureLinkKey } from './attachments/link-credentials.ts'
import type { BlobStore } from './blobs/blob-store.ts'
import { diskBlobs } from './blobs/disk.ts'
import type { Config } from './config.ts'
import { lockDirectory, SERVING, UPKEEP } from './data-lock.ts'
import { ConfigError, isAnySystemError, NoStore } from './errors.ts'
import { type RecordDialect, type RecordLock, sqlite } from './records/dialects.ts'
import type { RecordStore } from './records/record-store.ts'
import { sqlRecords } from './records/sql-records.ts'
import { rootSecret } from './secrets.ts'

/** The stores and the secret behind a service or an operator's verb; disposing closes them. */
export interface Stores extends AsyncDisposable {
  records: RecordStore
  blobs: BlobStore
  /** Where nodes share what they rendered; none where blobs are on the disk of the one that there is. */
  derived?: BlobStore
  rootSecret: Buffer
}

export interface OpenOptions {
  /** Set for the process that takes uploads; there is one at a time for a data directory. */
  serving: boolean
  /** False where stores that are not there are a mistake of the settings: nothing is made then, and `NoStore` thrown. */
  create?: boolean
}

const RECORDS = 'records.sqlite'

export async function openStores(config: Config, { serving, create = true }: OpenOptions): Promise<Stores> {
  await using opened = new AsyncDisposableStack()
  const { data } = config
  if (!create) refuseMissing(config)
  await usable('ATTACHE_DATA', () => mkdir(data, { recursive: true, mode: 0o700 }))
  const embedded = config.databaseUrl === undefined || config.blobs === 'disk'
  if (serving && embedded) {
    const lock = await usable('ATTACHE_DATA', async () => lockDirectory(data, SERVING))
    if (lock === undefined) {
      throw new ConfigError(`another process serves ${data}: stop it, or set ATTACHE_DATA to another directory.`)
    }
    opened.defer(() => lock.release())
  }
  const secretFile = config.rootSecretFile ?? join(data, 'root.secret')
  const createSecret = create && config.rootSecretFile === undefined
  const secret = await usable('ATTACHE_ROOT_SECRET_FILE', () => rootSecret(secretFile, { create: createSecret }))
  const records = await openRecords(config, create)
  opened.defer(() => records.close())
  const { blobs, derived } = await openBlobs(config, { serving })
  opened.defer(() => blobs.close())
  if (derived) opened.defer(() => derived.close())
  await ensureLinkKey(records.links, Date.now())
  const kept = opened.move()
  const shared = derived && { derived }
  return { records, blobs, ...shared, rootSecret: secret, [Symbol.asyncDispose]: () => kept.disposeAsync() }
}

/** Throws `NoStore` where a file or directory is missing that every server has made. A database answers for itself. */
export function refuseMissing({ data, databaseUrl, blobs }: Config): void {
  const needed = [...(databaseUrl === undefined ? [RECORDS] : []), ...(blobs === 'disk' ? ['blobs'] : [])]
  const missing = needed.map((name) => join(data, name)).find((path) => !existsSync(path))
  if (missing !== undefined) throw new NoStore(missing)
}

async function openRecords(config: Config, create: boolean): Promise<RecordStore> {
  const dialect = await dialectOf(config)
  const open = () => sqlRecords(dialect, { create })
  return config.databaseUrl === undefined ? usable('ATTACHE_DATA', open) : open()
}

/** For one at a time that removes blobs without records, or brings blobs before their records; `undefined` while another does. */
export async function lockUpkeep(config: Config): Promise<RecordLock | undefined> {
  const { lock } = await dialectOf(config)
  if (lock) return lock()
  const file = await usable('ATTACHE_DATA', async () => lockDirectory(config.data, UPKEEP))
  return file && { held: () => true, release: async () => file.release() }
}

/** Clients of databases and object stores are loaded where they are used: the embedded default starts without them. */
export async function dialectOf(config: Config): Promise<RecordDialect> {
  const { data, durability, databaseUrl: url } = config
  if (url === undefined) return sqlite({ file: join(data, RECORDS), durability })
  const { postgres } = await import('./records/postgres.ts')
  const { databasePassword: password, databaseTls: tls, databaseCaFile, databaseConnections: connections } = config
  const ca =
    databaseCaFile && (await usable('ATTACHE_DATABASE_CA_FILE', async () => await readFile(databaseCaFile, 'utf8')))
  return postgres({ url, password, tls, ca, connections })
}

async function openBlobs(
  config: Config,
  { serving }: OpenOptions,
): Promise<{ blobs: BlobStore; derived: BlobStore | undefined }> {
  const { data, durability } = config
  if (config.blobs === 'disk') {
    const blobs = await diskBlobs({ directory: data, durability, sweepTemporary: serving })
    return { blobs, derived: undefined }
  }
  const open = config.blobs === 's3' ? await s3Of(config) : await aliyunOf(config)
  return { blobs: await open(`${config.blobPrefix}blobs/`), derived: await open(`${config.blobPrefix}derived/`) }
}

async function s3Of(config: Config): Promise<(prefix: string) => Promise<BlobStore>> {
  const { s3Blobs } = await import('./blobs/s3.ts')
  const options = {
    endpoint: config.s3Endpoint,
    publicEndpoint: config.s3PublicEndpoint,
    region: config.s3Region,
    bucket: config.s3Bucket ?? '',
    style: config.s3Style,
    accessKeyId: config.s3AccessKeyId,
    secretAccessKey: config.s3SecretAccessKey,
  }
  return (prefix) => s3Blobs({ ...options, prefix })
}

async function aliyunOf(config: Config): Promise<(prefix: string) => Promise<BlobStore>> {
  const { aliyunBlobs } = await import('./blobs/aliyun.ts')
  const { ossRoleArn: arn, ossStsEndpoint: endpoint = 'https://sts.aliyuncs.com', ossRoleSeconds: seconds } = config
  const options = {
    endpoint: config.ossEndpoint,
    publicEndpoint: config.ossPublicEndpoint,
    region: config.ossRegion,
    bucket: config.ossBucket ?? '',
    style: config.ossStyle,
    signature: config.ossSignature,
    accessKeyId: config.ossAccessKeyId ?? '',
    accessKeySecret: config.ossAccessKeySecret ?? '',
    role: arn === undefined ? undefined : { arn, endpoint, seconds },
  }
  return (prefix) => aliyunBlobs({ ...options, prefix })
}

// SQLite's own codes, and what to do about them.
const SQLITE_REFUSALS = new Map([
  [8, 'the database is read-only: give its files to this user'],
  [11, 'records.sqlite is damaged: restore it from a backup'],
  [14, 'records.sqlite can not be opened: look at the permissions of the directory'],
  [26, 'records.sqlite is no database: restore it from a backup'],
])

/** What the operator has to mend is told in a sentence; anything else stays a fault. */
async function usable<T>(setting: string, open: () => Promise<T>): Promise<T> {
  try {
    return await open()
  } catch (error) {
    const sentence = refusalOf(error)
    throw sentence === undefined ? error : new ConfigError(`${setting}: ${sentence}.`, { cause: error })
  }
}

function refusalOf(error: unknown): string | undefined {
  if (isAnySystemError(error)) return `${error.message}: give a path that this user can use`
  if (!(error instanceof Error)) return undefined
  if ('errcode' in error) return SQLITE_REFUSALS.get(Number(error.errcode) & 0xff)
  return refusalOf(error.cause)
}
