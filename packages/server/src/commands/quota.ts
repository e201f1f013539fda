import { parseArgs } from 'node:util'
import type { QuotaLimits } from '../quotas/quotas.ts'
import { type CorporationQuota, UNLIMITED } from '../records/quota-records.ts'
import { defaultLimits } from '../service.ts'
import type { Stores } from '../stores.ts'
import { noteOperation } from './audit.ts'
import { type CommandContext, UsageError } from './context.ts'
import { existingStores } from './existing-stores.ts'

const USAGE = `quota show --corporation ID [--json]
quota set --corporation ID [--bytes N] [--attachments N] [--requests N] [--links N] [--thumbnails N]   N: 5000, 10GiB, none, default; the last three a minute
quota recount --corporation ID`

type Limit = keyof QuotaLimits

const OPTIONS = {
  bytes: 'bytes',
  attachments: 'attachments',
  requests: 'requestsPerMinute',
  links: 'linksPerMinute',
  thumbnails: 'thumbnailsPerMinute',
} as const satisfies Record<string, Limit>

interface Asked {
  corporationId: string
  /** As they were typed. */
  limits: Partial<Record<keyof typeof OPTIONS, string>>
  json: boolean
}

/** `quota show | set | recount`: what one corporation may use, and what it does. */
export async function quotaCommand([action, ...args]: string[], context: CommandContext): Promise<void> {
  const asked = askedFor(args)
  const changed = Object.keys(asked.limits).length
  if (!['show', 'set', 'recount'].includes(action ?? '') || (action === 'set') !== changed > 0) {
    throw new UsageError(USAGE)
  }
  await using stores = await existingStores(context)
  const { records } = stores
  if ((await records.links.corporation(asked.corporationId)) === undefined) throw unknown(asked, context)
  if (action === 'set') await set(asked, stores, context)
  if (action === 'recount') await recount(asked, stores, context)
  await show(asked, stores, context)
}

function askedFor(args: string[]): Asked {
  const text = { type: 'string' } as const
  const { values } = parseArgs({
    args,
    options: {
      corporation: text,
      json: { type: 'boolean' },
      bytes: text,
      attachments: text,
      requests: text,
      links: text,
      thumbnails: text,
    },
  })
  const { corporation: corporationId, json = false, ...limits } = values
  if (!corporationId) throw new UsageError(USAGE)
  return { corporationId, limits, json }
}

function unknown({ corporationId }: Asked, { say }: CommandContext): UsageError {
  return new UsageError(
    say({ zh: `没有企业 ${corporationId}：用 app list 查看`, en: `no corporation ${corporationId}: see \`app list\`` }),
  )
}

/** What isn't named stays. */
async function set({ corporationId, limits }: Asked, { records }: Stores, { config }: CommandContext): Promise<void> {
  const quota = { ...(await ownOf(corporationId, records)) }
  for (const [option, typed] of Object.entries(limits)) {
    quota[OPTIONS[option as keyof typeof OPTIONS]] = limitOf(option, typed)
  }
  await records.quotas.set(quota, Date.now())
  const detail = Object.entries(limits).map(([option, typed]) => `${option} ${typed}`)
  await noteOperation(config, { verb: 'quota set', corporationId, detail: detail.join(', ') })
}

async function recount({ corporationId }: Asked, { records }: Stores, { config }: CommandContext): Promise<void> {
  const { bytes, attachments } = await records.quotas.recount(corporationId)
  const detail = `${attachments} attachments, ${bytes} bytes`
  await noteOperation(config, { verb: 'quota recount', corporationId, detail })
}

async function ownOf(corporationId: string, { quotas }: Stores['records']): Promise<CorporationQuota> {
  const own = (await quotas.all()).find((quota) => quota.corporationId === corporationId)
  const none = { bytes: null, attachments: null, requestsPerMinute: null, linksPerMinute: null }
  return own ?? { corporationId, ...none, thumbnailsPerMinute: null }
}

const UNITS: Record<string, number> = { '': 1, KiB: 2 ** 10, MiB: 2 ** 20, GiB: 2 ** 30, TiB: 2 ** 40 }

function limitOf(option: string, typed: string): number | null {
  if (typed === 'default') return null
  if (typed === 'none') return UNLIMITED
  const [, count, unit = ''] = /^(\d{1,16})(KiB|MiB|GiB|TiB)?$/.exec(typed) ?? []
  const limit = Number(count) * (UNITS[unit] ?? 1)
  if (Number.isSafeInteger(limit) && (unit === '' || option === 'bytes')) return limit
  throw new UsageError(`--${option}: a whole number, none or default\n${USAGE}`)
}

async function show(asked: Asked, { records }: Stores, { config, print, say }: CommandContext): Promise<void> {
  const { corporationId } = asked
  const { bytes, attachments } = await records.quotas.usage(corporationId)
  const own = await ownOf(corporationId, records)
  const defaults = defaultLimits(config)
  const limits = Object.values(OPTIONS).map((name) => [name, effective(own[name], defaults[name])] as const)
  if (asked.json) {
    return print(JSON.stringify({ corporationId, used: { bytes, attachments }, limits: Object.fromEntries(limits) }))
  }
  const used: Partial<Record<Limit, number>> = { bytes, attachments }
  for (const [name, limit] of limits) {
    const from = own[name] === null ? say({ zh: '默认', en: 'default' }) : say({ zh: '本企业', en: 'its own' })
    const now = used[name] === undefined ? '' : `${say({ zh: '已用', en: 'used' })} ${used[name]}`
    print(
      `${name.padEnd(20)} ${String(limit ?? say({ zh: '不限', en: 'none' })).padEnd(18)} ${from.padEnd(8)} ${now}`.trimEnd(),
    )
  }
}

function effective(own: number | null, fallback: number | undefined): number | null {
  if (own === null) return fallback ?? null
  return Number(own) === UNLIMITED ? null : Number(own)
}
