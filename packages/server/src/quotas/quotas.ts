import { Failure } from '../errors.ts'
import { type CorporationQuota, type QuotaRecords, UNLIMITED } from '../records/quota-records.ts'
import { rates } from './rates.ts'

/** Absent is no limit. */
export interface QuotaLimits {
  bytes: number | undefined
  attachments: number | undefined
  requestsPerMinute: number | undefined
  linksPerMinute: number | undefined
  thumbnailsPerMinute: number | undefined
}

export interface QuotasOptions {
  records: QuotaRecords
  /** For corporations without limits of their own. */
  defaults: QuotaLimits
  /** Unix time in milliseconds. */
  now(): number
}

export interface Quotas {
  limitsOf(corporationId: string): QuotaLimits
  /** Counts a call of a corporation: with an access token, for one, or for the next. */
  request(corporationId: string): void
  /** Takes back that a call was counted, which is counted again elsewhere. */
  uncount(corporationId: string): void
  /** Counts links that are asked for. */
  links(corporationId: string, count: number): void
  /** Counts a thumbnail; gives the seconds to wait where there were too many. */
  thumbnail(corporationId: string): number | undefined
  /** Refuses an upload before its bytes come, where there is no room for any. */
  beginUpload(corporationId: string): Promise<void>
  /** Room for an attachment of this size, until its record is committed or given up. */
  reserve(corporationId: string, size: number): Promise<Reservation>
  /** Somebody changed a quota. */
  reload(): Promise<void>
}

export interface Reservation {
  release(): void
}

const NOTHING: Reservation = { release() {} }

/**
 * What a corporation may store and how often it may ask. Storage is counted by the records of all nodes together, and
 * reserved in this process: several nodes may pass the bound by what the others have in flight. Rates are this process's.
 */
export async function quotas({ records, defaults, now }: QuotasOptions): Promise<Quotas> {
  const take = rates(now)
  const pending = new Map<string, Set<Pending>>()
  const turns = new Map<string, Promise<void>>()
  let own = await load()

  async function load(): Promise<Map<string, QuotaLimits>> {
    return new Map((await records.all()).map((quota) => [quota.corporationId, limitsIn(quota, defaults)]))
  }

  const limitsOf = (corporationId: string) => own.get(corporationId) ?? defaults

  function refuseOften(name: string, count: number, perMinute: number | undefined): void {
    const wait = perMinute === undefined ? 0 : take(name, count, perMinute)
    if (wait > 0) throw new Failure('RateLimited', { retryAfterSeconds: Math.ceil(wait / 1000) })
  }

  /** Why there is no room, or nothing; `held` is what this process has reserved and the records may not know yet. */
  async function lackOf(corporationId: string, size: number, held: readonly Pending[]): Promise<Failure | undefined> {
    const { bytes, attachments } = limitsOf(corporationId)
    const usage = await records.usage(corporationId)
    const reserved = held.reduce((sum, one) => sum + one.size, 0)
    if (bytes !== undefined && usage.bytes + reserved + size > bytes) return overStorage(bytes)
    if (attachments !== undefined && usage.attachments + held.length + 1 > attachments) return overCount(attachments)
    return undefined
  }

  /** One at a time for a corporation, so that two never take the same room. */
  async function reserveInTurn(corporationId: string, size: number): Promise<Reservation> {
    const all = pending.get(corporationId) ?? new Set()
    for (;;) {
      // Taken before the records are asked: one that is committed meanwhile counts twice, never not at all.
      const held = [...all]
      const lack = await lackOf(corporationId, size, held)
      if (lack === undefined) break
      if (held.length === 0) throw lack
      // One of them may be counted twice, or be given up.
      await Promise.race(held.map(({ released }) => released))
    }
    const { promise: released, resolve } = Promise.withResolvers<void>()
    const mine = { size, released }
    pending.set(corporationId, all.add(mine))
    return {
      release() {
        all.delete(mine)
        if (all.size === 0) pending.delete(corporationId)
        resolve()
      },
    }
  }

  return {
    limitsOf,
    request(corporationId) {
      refuseOften(`requests ${corporationId}`, 1, limitsOf(corporationId).requestsPerMinute)
    },
    uncount(corporationId) {
      refuseOften(`requests ${corporationId}`, -1, limitsOf(corporationId).requestsPerMinute)
    },
    links(corporationId, count) {
      const { linksPerMinute } = limitsOf(corporationId)
      if (linksPerMinute !== undefined && count > linksPerMinute) {
        throw new Failure('TooManyItems', { message: `单次请求的链接数不能超过本企业每分钟的配额${linksPerMinute}` })
      }
      if (count > 0) refuseOften(`links ${corporationId}`, count, linksPerMinute)
    },
    thumbnail(corporationId) {
      const { thumbnailsPerMinute } = limitsOf(corporationId)
      if (thumbnailsPerMinute === undefined) return undefined
      const wait = take(`thumbnails ${corporationId}`, 1, thumbnailsPerMinute)
      return wait > 0 ? Math.ceil(wait / 1000) : undefined
    },
    async beginUpload(corporationId) {
      const { bytes, attachments } = limitsOf(corporationId)
      if (bytes === undefined && attachments === undefined) return
      const usage = await records.usage(corporationId)
      if (bytes !== undefined && usage.bytes >= bytes) throw overStorage(bytes)
      if (attachments !== undefined && usage.attachments >= attachments) throw overCount(attachments)
    },
    async reserve(corporationId, size) {
      const { bytes, attachments } = limitsOf(corporationId)
      if (bytes === undefined && attachments === undefined) return NOTHING
      const turn = (turns.get(corporationId) ?? Promise.resolve()).then(() => reserveInTurn(corporationId, size))
      const settled = turn.then(ignore, ignore)
      turns.set(corporationId, settled)
      try {
        return await turn
      } finally {
        if (turns.get(corporationId) === settled) turns.delete(corporationId)
      }
    },
    async reload() {
      own = await load()
    },
  }
}

interface Pending {
  size: number
  released: Promise<void>
}

function ignore(): void {}

function limitsIn(quota: CorporationQuota, defaults: QuotaLimits): QuotaLimits {
  const limit = (own: number | null, fallback: number | undefined) =>
    own === null ? fallback : Number(own) === UNLIMITED ? undefined : Number(own)
  return {
    bytes: limit(quota.bytes, defaults.bytes),
    attachments: limit(quota.attachments, defaults.attachments),
    requestsPerMinute: limit(quota.requestsPerMinute, defaults.requestsPerMinute),
    linksPerMinute: limit(quota.linksPerMinute, defaults.linksPerMinute),
    thumbnailsPerMinute: limit(quota.thumbnailsPerMinute, defaults.thumbnailsPerMinute),
  }
}

function overStorage(bytes: number): Failure {
  return new Failure('QuotaExceeded', { message: `本企业的附件总大小已达配额上限（${bytes}字节），请联系管理员` })
}

function overCount(attachments: number): Failure {
  return new Failure('QuotaExceeded', { message: `本企业的附件数量已达配额上限（${attachments}个），请联系管理员` })
}
