import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import type { FastifyBaseLogger, FastifyInstance } from 'fastify'
import { type AppOptions, buildApp } from './app.ts'
import { accessTokens } from './attachments/access-tokens.ts'
import { attachments } from './attachments/attachments.ts'
import { contents } from './attachments/contents.ts'
import { linkCredentials, rotateLinkKey } from './attachments/link-credentials.ts'
import type { BlobStore } from './blobs/blob-store.ts'
import { diskBlobs } from './blobs/disk.ts'
import { type Config, ConfigError } from './config.ts'
import { lockDirectory } from './data-lock.ts'
import { Failure } from './errors.ts'
import { thumbnails } from './images/thumbnails.ts'
import { metrics } from './metrics.ts'
import { sqlite } from './records/dialects.ts'
import type { Change, RecordStore } from './records/record-store.ts'
import { sqlRecords } from './records/sql-records.ts'
import { derivedKey, rootSecret } from './secrets.ts'

const MEBIBYTE = 1024 * 1024
const FOLLOW_MS = 250
const SWEEP_MS = 60_000
const KEEP_CHANGES_MS = 3_600_000

/** The stores and the secret behind a service or an operator's verb. */
export interface Stores {
  records: RecordStore
  blobs: BlobStore
  rootSecret: Buffer
  close(): Promise<void>
}

export async function openStores(config: Config, options: { serving: boolean }): Promise<Stores> {
  const { data, durability } = config
  await mkdir(data, { recursive: true, mode: 0o700 })
  const lock = options.serving ? lockDirectory(data) : { release() {} }
  if (lock === undefined)
    throw new ConfigError(`another process serves ${data}: stop it, or set ATTACHE_DATA to another directory.`)
  const secretFile = config.rootSecretFile ?? join(data, 'root.secret')
  const secret = await rootSecret(secretFile, { create: config.rootSecretFile === undefined })
  const records = await sqlRecords(sqlite({ file: join(data, 'records.sqlite'), durability }))
  const blobs = await diskBlobs({ directory: data, durability, sweepTemporary: options.serving })
  if ((await records.links.keys()).length === 0) await rotateLinkKey(records.links, Date.now())
  return {
    records,
    blobs,
    rootSecret: secret,
    async close() {
      await blobs.close()
      await records.close()
      lock.release()
    },
  }
}

export interface ServiceOptions {
  config: Config
  logger: FastifyBaseLogger
  /** Whether the demo corporation is let in. */
  demoAllowed: boolean
  now?: () => number
}

export interface Service {
  app: FastifyInstance
  stores: Stores
  /** The links' credentials, for an operator's eyes. */
  credentials: Awaited<ReturnType<typeof linkCredentials>>
  /** Listens, and gives the base URL that callers use. */
  listen(): Promise<string>
  /** How long requests in flight get when the process is told to stop. */
  drainMilliseconds: number
  /** Answers readiness with 503 from now on. */
  drain(): void
  close(): Promise<void>
}

/** Opens the stores, builds the rooms, and closes them in reverse order. */
export async function createService({ config, logger, demoAllowed, now = Date.now }: ServiceOptions): Promise<Service> {
  const stores = await openStores(config, { serving: true })
  const { records, blobs } = stores
  let draining = false
  let base = config.publicUrl ?? ''

  const { linkAccessKeyId: accessKeyId, linkAccessKeySecret: accessKeySecret } = config
  const permanent =
    accessKeyId !== undefined && accessKeySecret !== undefined ? { accessKeyId, accessKeySecret } : undefined
  const credentials = await linkCredentials({
    records: records.links,
    rootSecret: stores.rootSecret,
    now,
    permanent,
    demoAllowed,
  })
  const tokens = accessTokens({
    records,
    now,
    pepper: derivedKey(stores.rootSecret, 'appSecurity'),
    lifeMilliseconds: config.tokenLifeSeconds * 1000,
    badSecretsPerMinute: config.badSecretsPerMinute,
    demoAllowed,
  })
  const { bucket, maxUploadBytes, maxItems, maxExpirationSeconds } = config
  const linkUrl = () => config.linkUrl ?? `${base}/${bucket}`
  const store = attachments({
    records: records.attachments,
    blobs,
    credentials,
    now,
    bucket,
    linkUrl,
    maxUploadBytes,
    maxItems,
    maxExpirationSeconds,
  })
  const hot = contents({ blobs, hotBytes: config.hotCacheMib * MEBIBYTE })
  const images = thumbnails({
    blobs,
    directory: join(config.data, 'thumbnails'),
    cacheBytes: config.thumbnailCacheMib * MEBIBYTE,
    maxSourceBytes: maxUploadBytes,
    maxPixels: config.maxPixels,
    avif: config.avif,
    gate: {
      maxChildren: config.renderers,
      queueLength: config.renderQueue,
      jobTimeMs: config.renderMilliseconds,
      memoryBytes: config.renderMemoryMib * MEBIBYTE,
    },
    clock: now,
    onFault: (fault) => logger.error({ err: fault }, 'thumbnail cache'),
  })
  const counters = metrics(() => images.stats())
  const options: AppOptions = { ...config, logger }
  const app = buildApp(
    {
      tokens,
      attachments: store,
      contents: hot,
      credentials,
      thumbnails: images,
      metrics: counters,
      ready,
      publicUrl: () => base,
      now,
    },
    options,
  )

  async function ready(): Promise<void> {
    if (draining) throw new Failure('Draining')
    try {
      await Promise.all([records.check(), blobs.check()])
    } catch (cause) {
      throw cause instanceof Failure ? cause : new Failure('StorageUnavailable', { cause })
    }
  }

  async function apply({ kind, subject }: Change): Promise<void> {
    if (kind === 'token-replaced') tokens.forget(subject)
    else if (kind === 'app-disabled') tokens.forgetAll()
    else if (kind === 'attachment-removed') {
      const [blobId = '', key = ''] = splitAt(subject, subject.indexOf(' '))
      store.forget(key)
      hot.forget(blobId)
      await images.forget(blobId)
    } else await credentials.reload()
  }

  const background = inBackground(logger, [
    { every: FOLLOW_MS, work: await follow(records, apply) },
    { every: SWEEP_MS, work: () => tokens.sweep() },
    { every: SWEEP_MS, work: () => records.pruneChanges(now() - KEEP_CHANGES_MS) },
  ])

  return {
    app,
    stores,
    credentials,
    drainMilliseconds: config.drainSeconds * 1000,
    async listen() {
      const address = await app.listen({ host: config.host, port: config.port })
      base ||= address.replace('//0.0.0.0', '//127.0.0.1').replace('//[::]', '//[::1]')
      return base
    },
    drain() {
      draining = true
    },
    async close() {
      draining = true
      await app.close()
      await background.stop()
      await images.close()
      await stores.close()
    },
  }
}

/** Reads what other processes changed, and has each change applied once. */
async function follow(records: RecordStore, apply: (change: Change) => Promise<void>): Promise<() => Promise<void>> {
  let seen = await records.lastChange()
  return async () => {
    for (const change of await records.changesSince(seen)) {
      seen = change.seq
      await apply(change)
    }
  }
}

interface Chore {
  /** Milliseconds between the end of one run and the start of the next. */
  every: number
  work(): Promise<void>
}

function inBackground(logger: FastifyBaseLogger, chores: Chore[]): { stop(): Promise<void> } {
  const timers = new Set<NodeJS.Timeout>()
  let running = Promise.resolve()
  let stopped = false

  function schedule(chore: Chore): void {
    const timer = setTimeout(() => {
      timers.delete(timer)
      running = running.then(() => run(chore))
    }, chore.every)
    timers.add(timer.unref())
  }

  async function run(chore: Chore): Promise<void> {
    if (stopped) return
    try {
      await chore.work()
    } catch (error) {
      logger.error({ err: error }, 'background work')
    }
    if (!stopped) schedule(chore)
  }

  for (const chore of chores) schedule(chore)
  return {
    async stop() {
      stopped = true
      for (const timer of timers) clearTimeout(timer)
      await running
    },
  }
}

function splitAt(text: string, index: number): [string, string] {
  return [text.slice(0, index), text.slice(index + 1)]
}
