import { mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import type { Logger } from 'pino'
import type { AppExtension, AppParts } from '../app.ts'
import type { Config } from '../config.ts'
import { createService, type Service } from '../service.ts'
import { openStores, type Stores } from '../stores.ts'
import { type BucketStore, bucketStore } from './bucket-store.ts'
import { type SettableClock, settableClock } from './clock.ts'
import { faultHooks } from './fault-hooks.ts'
import { type Faults, faults as faultTable } from './faults.ts'
import { hintHooks } from './hint-hooks.ts'
import { type MemoryStores, memoryStores } from './memory-stores.ts'
import { type RequestLog, requestLog } from './request-log.ts'
import { devRoutes, isDevUrl } from './routes.ts'
import { seenTokens } from './seen-tokens.ts'

export interface DevelopmentOptions {
  config: Config
  logger: Logger
  /** Nothing is kept on disk. */
  memory: boolean
  /** A line for the console. */
  print(line: string): void
}

/** A service with what the development mode adds to it. */
export interface Development {
  service: Service
  parts: AppParts
  clock: SettableClock
  faults: Faults
  log: RequestLog
  /** An OSS to write to. */
  bucket: BucketStore
  /** Clears faults, clock, log and bucket; in memory also attachments and documents, which the seed then fills in again. */
  reset(): Promise<{ dataReset: boolean }>
  /** What `reset` puts back. */
  afterReset(refill: () => Promise<void>): void
  /** Removes an attachment at once; false when it isn't there. */
  remove(fileId: string): Promise<boolean>
}

export async function developmentService(options: DevelopmentOptions): Promise<Development> {
  const { logger, memory, print } = options
  const temporary = memory ? await mkdtemp(join(tmpdir(), 'attache-dev-')) : undefined
  const config = { ...options.config, data: temporary ?? options.config.data }
  const clock = settableClock()
  const faults = faultTable(config)
  const log = requestLog(clock.now)
  const bucket = bucketStore({ region: config.region, now: clock.now })
  const opened: { stores?: Stores; memory?: MemoryStores } = {}
  const attached: { parts?: AppParts; release?: () => void } = {}
  let refill = async () => {}

  async function open(): Promise<Stores> {
    if (temporary !== undefined) opened.memory = await memoryStores({ directory: temporary })
    opened.stores = opened.memory ?? (await openStores(config, { serving: true }))
    return opened.stores
  }

  function clearFaults(): void {
    faults.clear()
    attached.release?.()
  }

  async function forget({ key, blobId }: { key: string; blobId: string }): Promise<void> {
    const { attachments, contents, thumbnails } = there(attached.parts)
    attachments.forget(key)
    contents.forget(blobId)
    await thumbnails.forget(blobId)
  }

  async function reset(): Promise<{ dataReset: boolean }> {
    clearFaults()
    clock.reset()
    bucket.clear()
    if (opened.memory) {
      for (const forgotten of opened.memory.clear()) await forget(forgotten)
      await refill()
    }
    log.clear()
    return { dataReset: memory }
  }

  async function remove(fileId: string): Promise<boolean> {
    const record = await there(attached.parts).attachments.remove(fileId)
    if (record) await forget(record)
    return record !== undefined
  }

  function extend(parts: AppParts): AppExtension {
    attached.parts = parts
    const owns = (url: string) => isDevUrl(url) || bucket.owns(url)
    const isControl = ({ originalUrl }: FastifyRequest) => owns(originalUrl)
    const { records } = there(opened.stores)
    const { signingKey } = parts.credentials
    const rules = { ...config, strict: config.strictSignatures, signingKey, now: clock.now }
    return {
      owns,
      attach(app: FastifyInstance) {
        hintHooks(app, { ...rules, records, tokens: seenTokens(), log, isControl, print })
        tellTime(app, clock)
        const met = (request: FastifyRequest, { preset, id }: { preset: string | undefined; id: number }) => {
          const entry = log.of(request)
          if (entry) entry.fault = preset ?? `#${id}`
        }
        attached.release = faultHooks(app, { faults, isControl, now: clock.now, met }).release
        app.register(async (scope) => devRoutes(scope, { faults, clock, log, clearFaults, reset, remove }))
        bucket.attach(app)
      },
    }
  }

  const service = await createService({ config, logger, demoAllowed: true, now: clock.now, open, extend })
  return {
    service,
    parts: there(attached.parts),
    clock,
    faults,
    log,
    bucket,
    reset,
    remove,
    afterReset(work) {
      refill = work
    },
  }
}

/** Callers look at `Date` to learn how far their own clock is off. */
function tellTime(app: FastifyInstance, clock: SettableClock): void {
  app.addHook('onSend', async (_request, reply, payload) => {
    if (clock.ahead() !== 0) reply.header('date', new Date(clock.now()).toUTCString())
    return payload
  })
}

/** Set by `createService` before anybody can ask. */
function there<T>(part: T | undefined): T {
  if (part === undefined) throw new Error('the service is not open yet')
  return part
}
