import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { type Development, developmentService } from '../dev/development.ts'
import { PRESETS } from '../dev/fault-presets.ts'
import { addContents, addSeed, type Seeded } from '../dev/seed.ts'
import { readSeed, type Seed } from '../dev/seed-file.ts'
import { ConfigError, Failure, isSystemError } from '../errors.ts'
import { serviceLogger } from '../logging.ts'
import { type CommandContext, type Say, UsageError } from './context.ts'
import { DEMO, demoApp, demoFile, facts, listening, type Running, refuseOffLoopback, welcome } from './serve.ts'

const OPTIONS = {
  json: { type: 'boolean' },
  memory: { type: 'boolean' },
  port: { type: 'string' },
  seed: { type: 'string' },
  fault: { type: 'string', multiple: true },
} as const

/** `dev`: `start` for those who write callers, with hints, faults, a clock to set and a seed. Loopback only. */
export async function devCommand(args: string[], context: CommandContext): Promise<Running> {
  const { values } = parseArgs({ args, options: OPTIONS })
  const { memory = false } = values
  const config = values.port === undefined ? context.config : { ...context.config, port: portOf(values.port) }
  refuseOffLoopback(config)
  const seed = values.seed === undefined ? undefined : await readSeed(values.seed, DEMO.corporationId)
  // Requests are told by hints here; JSON lines would drown them.
  const logger = serviceLogger(config.logLevel === 'info' ? 'warn' : config.logLevel)
  const development = await developmentService({ config, logger, memory, print: (line) => console.error(line) })
  const { service } = development
  try {
    for (const fault of values.fault ?? []) addFault(fault, development)
    const credentials = await demoApp(service.stores)
    const { appKey, appSecurity } = credentials
    const login = memory ? `'${JSON.stringify({ appKey, appSecurity })}'` : await demoFile(config.data, credentials)
    const seeded = seed && (await (memory ? inMemory(seed, development) : onDisk(seed, config.data, development)))
    const url = await listening(service)
    const started = { url, credentials }
    if (!values.json) {
      const { say } = context
      return { service, announcement: `${welcome({ ...started, login }, say)}\n${aboutDev(url, say)}` }
    }
    const known = await facts(service, { ...started, bucket: config.bucket })
    return { service, announcement: JSON.stringify({ ...known, store: development.bucket.facts(url), seeded }) }
  } catch (error) {
    await service.close()
    throw error
  }
}

function aboutDev(url: string, say: Say): string {
  return say({
    zh: `开发模式：违反约定的请求会得到提示（响应头x-attache-hint及此处）；故障、时钟、请求记录在 ${url}/dev/，见 docs/development.md`,
    en: `Development mode: requests that break the contract get a hint, in the header x-attache-hint and here; faults, clock and
request log are under ${url}/dev/, see docs/development.md`,
  })
}

function portOf(text: string): number {
  const port = /^\d{1,5}$/.test(text) ? Number(text) : Number.NaN
  if (port >= 0 && port <= 65_535) return port
  throw new UsageError(`--port ${JSON.stringify(text)}: give a whole number from 0 to 65535; 0 takes any free one`)
}

/** `PRESET`, for the next request it fits, or `PRESET=N`, or `PRESET=always`. */
function addFault(text: string, { faults }: Development): void {
  const [preset = '', times = '1'] = text.split('=', 2)
  try {
    faults.add({ preset, times: times === 'always' ? times : Number(times) })
  } catch (error) {
    if (!(error instanceof Failure)) throw error
    throw new UsageError(`--fault ${text}: give PRESET, PRESET=N or PRESET=always, with one of ${PRESETS.join(', ')}`)
  }
}

async function inMemory(seed: Seed, { parts, service, afterReset }: Development): Promise<Seeded> {
  const seeded = await addSeed(seed, { parts, stores: service.stores })
  afterReset(async () => void (await addContents(seed, parts)))
  return seeded
}

/** A data directory takes one seed, once: the next start finds all of it there. */
async function onDisk(seed: Seed, data: string, { parts, service }: Development): Promise<Seeded> {
  const file = join(data, 'seeded.json')
  const known = await readIfThere(file)
  if (known === undefined) {
    const seeded = await addSeed(seed, { parts, stores: service.stores })
    await writeFile(file, JSON.stringify({ hash: seed.hash, seeded }), { mode: 0o600 })
    return seeded
  }
  const { hash, seeded } = JSON.parse(known) as { hash: string; seeded: Seeded }
  if (seed.hash === hash) return seeded
  throw new ConfigError(
    `--seed: ${data} has another seed already: set ATTACHE_DATA to a new directory, or use --memory`,
  )
}

async function readIfThere(file: string): Promise<string | undefined> {
  try {
    return await readFile(file, 'utf8')
  } catch (error) {
    if (isSystemError(error, 'ENOENT')) return undefined
    throw error
  }
}
