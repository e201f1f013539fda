import { join } from 'node:path'
import type { FastifyBaseLogger, FastifyInstance } from 'fastify'
import { buildApp } from './app.ts'
import { accessTokens } from './attachments/access-tokens.ts'
import { attachments } from './attachments/attachments.ts'
import { contents } from './attachments/contents.ts'
import { type LinkCredentials, linkCredentials } from './attachments/link-credentials.ts'
import { inBackground } from './background.ts'
import type { Config } from './config.ts'
import { Failure } from './errors.ts'
import { thumbnails } from './images/thumbnails.ts'
import { metrics } from './metrics.ts'
import type { Change, RecordStore } from './records/record-store.ts'
import { derivedKey } from './secrets.ts'
import { openStores, type Stores } from './stores.ts'

const MEBIBYTE = 1024 * 1024
const FOLLOW_MS = 250
const SWEEP_MS = 60_000
const KEEP_CHANGES_MS = 3_600_000

export interface ServiceOptions {
  config: Config
  logger: FastifyBaseLogger
  /** Whether the demo corporation is let in. */
  demoAllowed: boolean
  /** Unix time in milliseconds. */
  now?: () => number
}

export interface Service {
  app: FastifyInstance
  stores: Stores
  credentials: LinkCredentials
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
  await using opened = new AsyncDisposableStack()
  const stores = opened.use(await openStores(config, { serving: true }))
  const { records, blobs } = stores
  let draining = false
  let base = config.publicUrl ?? ''

  const credentials = await linkCredentials({ ...linkOptions(config, stores), now, demoAllowed })
  const tokens = accessTokens({ ...tokenOptions(config, stores), now, demoAllowed })
  const linkUrl = () => config.linkUrl ?? `${base}/${config.bucket}`
  const files = attachments({ ...config, records: records.attachments, blobs, credentials, now, linkUrl })
  const hot = contents({ blobs, hotBytes: config.hotCacheMib * MEBIBYTE })
  const onFault = (fault: unknown) => logger.error({ err: fault }, 'fault in the background')
  const images = thumbnails({ ...imageOptions(config), blobs, clock: now, onFault })
  opened.defer(() => images.close())

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
      files.forget(key)
      hot.forget(blobId)
      await images.forget(blobId)
    } else await credentials.reload()
  }

  const chores = [
    { every: FOLLOW_MS, work: await follower(records, apply) },
    { every: SWEEP_MS, work: () => tokens.sweep() },
    { every: SWEEP_MS, work: () => records.pruneChanges(now() - KEEP_CHANGES_MS) },
  ]
  const background = inBackground(chores, onFault)
  opened.defer(() => background.stop())

  const counters = metrics(() => images.stats())
  const parts = {
    tokens,
    attachments: files,
    contents: hot,
    credentials,
    thumbnails: images,
    metrics: counters,
    ready,
    publicUrl: () => base,
    now,
  }
  const app = buildApp(parts, { ...config, logger })
  opened.defer(() => app.close())
  const kept = opened.move()

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
      await kept.disposeAsync()
    },
  }
}

/** What links are signed with, for the service and for the operator's verb that prints it. */
export function linkOptions({ linkAccessKeyId, linkAccessKeySecret }: Config, { records, rootSecret }: Stores) {
  const both = linkAccessKeyId !== undefined && linkAccessKeySecret !== undefined
  const permanent = both ? { accessKeyId: linkAccessKeyId, accessKeySecret: linkAccessKeySecret } : undefined
  return { records: records.links, rootSecret, permanent }
}

function tokenOptions({ tokenLifeSeconds, badSecretsPerMinute }: Config, { records, rootSecret }: Stores) {
  return {
    records,
    pepper: derivedKey(rootSecret, 'appSecurity'),
    lifeMilliseconds: tokenLifeSeconds * 1000,
    badSecretsPerMinute,
  }
}

function imageOptions(config: Config) {
  return {
    directory: join(config.data, 'thumbnails'),
    cacheBytes: config.thumbnailCacheMib * MEBIBYTE,
    maxSourceBytes: config.maxUploadBytes,
    maxPixels: config.maxPixels,
    avif: config.avif,
    gate: {
      maxChildren: config.renderers,
      queueLength: config.renderQueue,
      jobTimeMs: config.renderMilliseconds,
      memoryBytes: config.renderMemoryMib * MEBIBYTE,
    },
  }
}

/** Reads what other processes changed, and has each change applied once. */
async function follower(records: RecordStore, apply: (change: Change) => Promise<void>): Promise<() => Promise<void>> {
  let seen = await records.lastChange()
  return async () => {
    for (const change of await records.changesSince(seen)) {
      await apply(change)
      seen = change.seq
    }
  }
}

function splitAt(text: string, index: number): [string, string] {
  return [text.slice(0, index), text.slice(index + 1)]
}
