import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import type { FastifyBaseLogger, FastifyInstance } from 'fastify'
import { type AppExtension, type AppParts, buildApp } from './app.ts'
import { accessTokens } from './attachments/access-tokens.ts'
import { admissions } from './attachments/admission.ts'
import { attachments } from './attachments/attachments.ts'
import { contents } from './attachments/contents.ts'
import { directLinks } from './attachments/direct-links.ts'
import { documentAttachments } from './attachments/document-attachments.ts'
import { documents } from './attachments/documents.ts'
import { type LinkCredentials, linkCredentials } from './attachments/link-credentials.ts'
import { auditLog } from './audit/audit-log.ts'
import { type Chore, inBackground } from './background.ts'
import type { BlobStore } from './blobs/blob-store.ts'
import type { Config } from './config.ts'
import { Failure } from './errors.ts'
import { blockListOf } from './http/addresses.ts'
import { sharedThumbnails } from './images/shared-thumbnails.ts'
import { thumbnails } from './images/thumbnails.ts'
import { type Flushing, redacted } from './logging.ts'
import { metrics } from './metrics.ts'
import { quotas } from './quotas/quotas.ts'
import type { Change, RecordStore } from './records/record-store.ts'
import type { Delivery } from './routes/object-delivery.ts'
import { openScanner } from './scan/open-scanner.ts'
import { uploadScans } from './scan/upload-scans.ts'
import { derivedKey } from './secrets.ts'
import { steadyClock } from './steady-clock.ts'
import { openStores, type Stores } from './stores.ts'

const MEBIBYTE = 1024 * 1024
// A larger original is served, but not rendered.
const MOST_SOURCE_BYTES = 32 * MEBIBYTE
const FOLLOW_MS = 250
const SWEEP_MS = 60_000
// Each trim lists all that the nodes have rendered.
const TRIM_MS = 3_600_000
const KEEP_CHANGES_MS = 3_600_000
// For renderers and stores to close once the last request has ended.
const CLOSING_MS = 5000

export interface ServiceOptions {
  config: Config
  logger: FastifyBaseLogger & Flushing
  /** Whether the demo corporation is let in. */
  demoAllowed: boolean
  /** Unix time in milliseconds. */
  now?: () => number
  /** Instead of those that the settings name. */
  open?: () => Promise<Stores>
  /** What the development mode adds to the app. */
  extend?: (parts: AppParts) => AppExtension
}

export interface Service {
  app: FastifyInstance
  logger: FastifyBaseLogger & Flushing
  stores: Stores
  credentials: LinkCredentials
  /** Listens, and gives the base URL that callers use. */
  listen(): Promise<string>
  /** The longest that `drain` and `close` take together. */
  stopMilliseconds: number
  /** Answers readiness with 503 from now on, and resolves when a load balancer has had its time to notice. */
  drain(): Promise<void>
  /** Lets requests in flight end, cuts those that do not, and closes the stores. */
  close(): Promise<void>
}

/** Opens the stores, builds the rooms, and closes them in reverse order. */
export async function createService(options: ServiceOptions): Promise<Service> {
  const {
    config,
    logger,
    demoAllowed,
    now = steadyClock(),
    open = () => openStores(config, { serving: true }),
  } = options
  await using opened = new AsyncDisposableStack()
  const stores = opened.use(await open())
  const { records, blobs } = stores
  // Before anything is read that a change may make stale.
  const since = await records.lastChange()
  let draining = false
  let base = config.publicUrl ?? ''

  const credentials = await linkCredentials({ ...linkOptions(config, stores), now, demoAllowed })
  const onTrouble = (err: unknown) =>
    logger.error({ err }, 'the audit log can not be kept: its lines are lost until it can')
  const audit = config.audit === 'on' ? auditLog({ ...auditOptions(config), now, onTrouble }) : undefined
  opened.defer(() => audit?.close())
  const limits = await quotas({ records: records.quotas, defaults: defaultLimits(config), now })
  const countRequest = limits.request
  const tokens = accessTokens({ ...tokenOptions(config, stores), now, demoAllowed, countRequest })
  const linkUrl = () => config.linkUrl ?? `${base}/${config.bucket}`
  const direct = config.links === 'direct' ? directLinks(blobs) : undefined
  const counters = metrics({
    renderer: () => images.stats(),
    auditLost: () => audit?.lost() ?? 0,
    readOnly: () => troublesOf(stores).length > 0,
  })
  const unscanned = (err: unknown) => {
    counters.unscanned()
    logger.warn({ err }, 'an upload could not be scanned')
  }
  const admit = admissions({ writable, quotas: limits, scan: scansOf(config, unscanned) })
  const linking = { credentials, direct, linkUrl, admit, countLinks: limits.links }
  const files = attachments({ ...config, ...linking, records: records.attachments, blobs, now })
  const papers = documents({ records: records.documents, attachments: files, now })
  const hot = contents({ blobs, hotBytes: config.hotCacheMib * MEBIBYTE })
  const onFault = (fault: unknown) => logger.error({ err: fault }, 'fault in the background')
  const shared = stores.derived && sharedThumbnails({ blobs: stores.derived, maxBytes: cacheBytesOf(config), onFault })
  const images = thumbnails({ ...imageOptions(config), blobs, shared, clock: now, onFault })
  opened.defer(() => images.close())

  async function ready(): Promise<void> {
    if (draining) throw new Failure('Draining')
    try {
      await Promise.all([records.check(), blobs.check()])
    } catch (cause) {
      const details = troublesOf(stores).map((message) => ({ path: 'storage', message }))
      if (details.length > 0) throw new Failure('ReadOnly', { details, cause })
      throw cause instanceof Failure ? cause : new Failure('StorageUnavailable', { cause })
    }
  }

  /** Asks the records to try again before an upload comes, so that none is stored in vain. */
  async function writable(): Promise<void> {
    if (blobs.trouble?.() !== undefined) await blobs.check()
    if (records.trouble() !== undefined) await records.check()
  }

  async function apply({ kind, subject }: Change): Promise<void> {
    if (kind === 'token-replaced') tokens.forget(subject)
    else if (kind === 'app-disabled') tokens.forgetAll()
    else if (kind === 'attachment-removed') {
      const [blobId = '', key = ''] = splitAt(subject, subject.indexOf(' '))
      files.forget(key)
      hot.forget(blobId)
      // Not waited for: the changes behind it must not hang on a disk or a store.
      void images.forget(blobId)
    } else if (kind === 'attachment-links-revoked') files.forget(subject.slice(subject.indexOf(' ') + 1))
    else if (kind === 'quota-changed') await limits.reload()
    else await credentials.reload()
  }

  async function forgetAll(): Promise<void> {
    tokens.forgetAll()
    files.forgetAll()
    await Promise.all([credentials.reload(), limits.reload()])
  }

  const chores: Chore[] = [
    { every: FOLLOW_MS, work: follower(records, { since, apply, forgetAll }), promptedBy: records.watch },
    { every: SWEEP_MS, work: (signal) => tokens.sweep(signal) },
    { every: SWEEP_MS, work: () => records.pruneChanges(now() - KEEP_CHANGES_MS) },
    ...(shared ? [{ every: TRIM_MS, work: () => shared.trim() }] : []),
  ]
  const background = inBackground(chores, onFault)
  opened.defer(() => background.stop())

  const parts: AppParts = {
    tokens,
    attachments: files,
    contents: hot,
    documents: papers,
    attachmentsOf: documentAttachments({ documents: papers, attachments: files }),
    credentials,
    thumbnails: images,
    delivery: deliveryOf(config, blobs),
    metrics: counters,
    quotas: limits,
    audit,
    ready,
    publicUrl: () => base,
    now,
  }
  const app = buildApp(parts, { ...config, logger, extension: options.extend?.(parts) })
  opened.defer(() => app.close())
  const kept = opened.move()

  return {
    app,
    logger,
    stores,
    credentials,
    stopMilliseconds: (config.drainDelaySeconds + config.drainSeconds) * 1000 + CLOSING_MS,
    async listen() {
      const address = await app.listen({ host: config.host, port: config.port })
      base ||= address.replace('//0.0.0.0', '//127.0.0.1').replace('//[::]', '//[::1]')
      return base
    },
    async drain() {
      draining = true
      await delay(config.drainDelaySeconds * 1000)
    },
    async close() {
      draining = true
      const cut = setTimeout(() => app.server.closeAllConnections(), config.drainSeconds * 1000)
      try {
        await kept.disposeAsync()
      } finally {
        clearTimeout(cut)
      }
    },
  }
}

/** What links are signed with, for the service and for the operator's verb that prints it. */
export function linkOptions({ linkAccessKeyId, linkAccessKeySecret }: Config, { records, rootSecret }: Stores) {
  const both = linkAccessKeyId !== undefined && linkAccessKeySecret !== undefined
  const permanent = both ? { accessKeyId: linkAccessKeyId, accessKeySecret: linkAccessKeySecret } : undefined
  return { records: records.links, rootSecret, permanent }
}

/** Why writes are refused at the moment, in the words of the stores. */
function troublesOf({ records, blobs }: Stores): string[] {
  return [records.trouble(), blobs.trouble?.()].filter((trouble) => trouble !== undefined)
}

export function defaultLimits(config: Config) {
  return {
    bytes: config.quotaBytes,
    attachments: config.quotaAttachments,
    requestsPerMinute: config.quotaRequestsPerMinute,
    linksPerMinute: config.quotaLinksPerMinute,
    thumbnailsPerMinute: config.quotaThumbnailsPerMinute,
  }
}

function scansOf(config: Config, unscanned: (error: unknown) => void) {
  const scanner = openScanner({ clamd: config.scanClamd, command: config.scanCommand })
  const { scanMilliseconds: milliseconds, scansAtOnce: atOnce, scanFailure: onFailure } = config
  return scanner && uploadScans({ scanner, milliseconds, atOnce, onFailure, unscanned })
}

function deliveryOf({ delivery, acceleration, trustedProxies }: Config, blobs: BlobStore): Delivery {
  return {
    redirect: delivery === 'redirect' ? blobs : undefined,
    accelerate: acceleration === 'nginx' ? { blobs, trusted: blockListOf(trustedProxies) } : undefined,
  }
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
    cacheBytes: cacheBytesOf(config),
    maxSourceBytes: Math.min(config.maxUploadBytes, MOST_SOURCE_BYTES),
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

/** For the service and for the operator's verbs. */
export function auditOptions({ data, auditFileMib, auditFiles }: Config) {
  const directory = join(data, 'audit')
  return { directory, maxFileBytes: auditFileMib * MEBIBYTE, maxFiles: auditFiles, redact: redacted }
}

function cacheBytesOf({ thumbnailCacheMib }: Config): number {
  return thumbnailCacheMib * MEBIBYTE
}

interface Followed {
  /** The change up to which nothing is kept that a change may have made stale. */
  since: number
  apply(change: Change): Promise<void>
  /** For a process that was cut off so long that it may have missed some. */
  forgetAll(): Promise<void>
}

/** Reads what other processes changed, and has each change applied once. */
function follower(records: RecordStore, { since, apply, forgetAll }: Followed): () => Promise<void> {
  let seen = since
  let heardAt = performance.now()
  return async () => {
    const changes = await records.changesSince(seen)
    if (performance.now() - heardAt > KEEP_CHANGES_MS / 2) await forgetAll()
    heardAt = performance.now()
    for (const change of changes) {
      await apply(change)
      seen = change.seq
    }
  }
}

function splitAt(text: string, index: number): [string, string] {
  return [text.slice(0, index), text.slice(index + 1)]
}
