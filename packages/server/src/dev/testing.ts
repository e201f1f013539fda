import { pino } from 'pino'
import { type AppCredentials, createApp } from '../commands/app.ts'
import { DEMO, demoApp } from '../commands/serve.ts'
import { readConfig } from '../config.ts'
import { withoutSecrets } from '../logging.ts'
import type { StoreFacts } from './bucket-store.ts'
import type { SettableClock } from './clock.ts'
import { type Development, developmentService } from './development.ts'
import type { Preset } from './fault-presets.ts'
import type { ActiveFault, Fault, FaultRequest } from './faults.ts'
import type { Hint } from './hint.ts'
import type { PathCount, RequestReport, SeenRequest } from './request-log.ts'
import { addAttachment, addContents, addDocument, addSeed, type SeededAttachment, type SeededDocument } from './seed.ts'
import { readSeed, type SeedDocument } from './seed-file.ts'

export type {
  ActiveFault,
  Fault,
  FaultRequest,
  Hint,
  PathCount,
  Preset,
  RequestReport,
  SeededAttachment,
  SeededDocument,
  SeenRequest,
  StoreFacts,
}

export interface StartAttacheOptions {
  /** A seed file as `attache-server dev --seed` takes it. */
  seed?: string
  /** Settings as docs/configuration.md has them; the environment of this process is not looked at. */
  settings?: Record<string, string>
  /** A line for each hint; nowhere unless said. */
  print?: (line: string) => void
}

export interface NewAttachment {
  name: string
  /** Text is kept as UTF-8. */
  content: string | Uint8Array
  /** That of `corporationId` unless said. */
  corporation?: string
}

/** `attachments` are added, and stand at `form.attachments` unless the form has such a list; in its lists a text stands for the attachment of that name. */
export interface NewDocument extends Partial<SeedDocument> {
  attachments?: NewAttachment[]
}

export interface TestAttache extends AsyncDisposable {
  /** The base URL, without a `/` at its end. */
  url: string
  bucket: string
  corporationId: string
  appKey: string
  appSecurity: string
  /** An OSS to write to, emptied by `reset`. */
  store: StoreFacts
  clock: Pick<SettableClock, 'now' | 'set' | 'advance' | 'reset'>
  /** A further corporation with an app of its own. */
  seedCorporation(corporationId: string): Promise<AppCredentials>
  seedAttachment(attachment: NewAttachment): Promise<SeededAttachment>
  seedDocument(document?: NewDocument): Promise<SeededDocument & { attachments: SeededAttachment[] }>
  /** A preset by its name, or a fault of one's own; the next request it fits meets it. */
  fault(fault: Preset | FaultRequest, more?: Partial<Fault>): ActiveFault
  /** What was asked so far, in whole or of one path. */
  requests(path?: string): RequestReport
  /** Removes an attachment, as an administrator would. */
  removeAttachment(fileId: string): Promise<boolean>
  /** As it was at the start, but for the access tokens, which go on. */
  reset(): Promise<void>
  close(): Promise<void>
}

/** An Attaché of your own in this process: in memory, on a free port, with a clock and faults in your hands. */
export async function startAttache(options: StartAttacheOptions = {}): Promise<TestAttache> {
  const { settings = {}, print = () => {} } = options
  const config = readConfig({ ATTACHE_PORT: '0', ATTACHE_DRAIN_SECONDS: '0', ...settings })
  const seed = options.seed === undefined ? undefined : await readSeed(options.seed, DEMO.corporationId)
  const stderr = withoutSecrets({ write: (line) => void process.stderr.write(line) })
  const logger = pino({ level: settings['ATTACHE_LOG_LEVEL'] ?? 'error', base: null }, stderr)
  const development = await developmentService({ config, logger, memory: true, print })
  const { service, parts } = development
  try {
    const { corporationId, appKey, appSecurity } = await demoApp(service.stores)
    if (seed) {
      await addSeed(seed, { parts, stores: service.stores })
      development.afterReset(async () => void (await addContents(seed, parts)))
    }
    const url = await service.listen()
    const facts = {
      url,
      bucket: config.bucket,
      corporationId,
      appKey,
      appSecurity,
      store: development.bucket.facts(url),
    }
    return { ...facts, ...controls(development, corporationId) }
  } catch (error) {
    await service.close()
    throw error
  }
}

function controls({ service, parts, clock, faults, log, reset, remove }: Development, corporationId: string) {
  const seedAttachment = ({ name, content, corporation = corporationId }: NewAttachment) =>
    addAttachment({ name, corporation, bytes: typeof content === 'string' ? Buffer.from(content) : content }, parts)
  let closed: Promise<void> | undefined
  const close = () => {
    closed ??= service.close()
    return closed
  }

  return {
    clock,
    seedCorporation: (corporationId: string) =>
      createApp(service.stores, { corporationId, corporationName: corporationId, demo: false }),
    seedAttachment,
    async seedDocument({ attachments = [], form = {}, corporation = corporationId, ...rest }: NewDocument = {}) {
      const added: SeededAttachment[] = []
      for (const attachment of attachments) added.push(await seedAttachment({ corporation, ...attachment }))
      const placed = 'attachments' in form ? form : { ...form, attachments: added }
      const named = (name: string) => added.find(({ fileName }) => fileName === name)
      const document = await addDocument({ ...rest, corporation, form: placed }, { at: 'seedDocument', named, parts })
      return { ...document, attachments: added }
    },
    fault: (fault: Preset | FaultRequest, more: Partial<Fault> = {}) =>
      faults.add(typeof fault === 'string' ? { preset: fault, ...more } : { ...fault, ...more }),
    requests: (path?: string) => log.report(path),
    removeAttachment: remove,
    reset: async () => void (await reset()),
    close,
    [Symbol.asyncDispose]: close,
  }
}
