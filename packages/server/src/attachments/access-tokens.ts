import { timingSafeEqual } from 'node:crypto'
import { boundedCache } from '../bounded-cache.ts'
import { Failure } from '../errors.ts'
import type { AppRecord, AppRecords, TokenRecord, TokenRecords } from '../records/record-store.ts'
import { keyedHash } from './keyed-hash.ts'
import { hashOf, tokenHashOf, tokenTexts } from './token-texts.ts'

/** Who calls: every token is bound to one corporation. */
export interface Caller {
  corporationId: string
  appKey?: string
  /** Told of links that were issued to this caller. */
  issued?(links: IssuedLinks): void
}

export interface IssuedLinks {
  files: string[]
  /** In seconds: one for all files, or one for each. */
  expiration: number | number[]
}

export interface IssuedToken {
  accessToken: string
  refreshToken: string
  /** Unix time in milliseconds. */
  expiresAt: number
  corporationId: string
}

/** `address` is the caller's; `local` whether the call came from this very machine. */
export interface Origin {
  address: string
  local: boolean
}

export interface AccessTokensOptions {
  records: { apps: AppRecords; tokens: TokenRecords }
  now(): number
  /** Keys the hashes of appSecurity, so that the database alone holds nothing to guess against. */
  pepper: Buffer
  lifeMilliseconds: number
  badSecretsPerMinute: number
  /** Counts a call of a corporation; throws where there were too many. */
  countRequest(corporationId: string): void
  /** Whether the demo corporation may be used at all. */
  demoAllowed: boolean
}

export type AccessTokens = ReturnType<typeof accessTokens>

const KNOWN_TOKENS = 20_000
const KNOWN_APPS = 10_000
const KNOWN_OFFENDERS = 100_000
const MINUTE = 60_000
const DAY = 86_400_000
// Expired tokens lie all over the index: one slice writes as many pages as it has tokens.
const SLICE = 20
const MOST_SLICES = 10
// Of a database that is no part of this process.
const LONG_SLICE = 1000

/** Tokens have 192 bits from the CSPRNG, kept as SHA-256; secrets are 256 bits, kept as HMAC-SHA256. */
export function accessTokens(options: AccessTokensOptions) {
  const { records, now } = options
  const known = boundedCache<TokenRecord>(KNOWN_TOKENS)
  const apps = boundedCache<AppRecord>(KNOWN_APPS)
  const texts = tokenTexts()
  const keyed = keyedHash(options.pepper)
  // Raised when something is forgotten: what was read before then is not kept.
  let forgotten = 0
  const offences = boundedCache<{ count: number; until: number }>(KNOWN_OFFENDERS)

  async function issue(appKey: string, appSecurity: string, origin: Origin): Promise<IssuedToken> {
    const secret = keyed(appSecurity)
    const known = apps.get(appKey)
    // Looked up for every wrong secret, so that the time tells nobody which apps there are.
    const app = isRight(secret, known) ? known : await loadApp(appKey)
    if (!isRight(secret, app) || !isUsable(app, origin)) throw refused(`${appKey}\0${origin.address}`)
    options.countRequest(app.corporationId)
    return issueTo(app)
  }

  /** The same for an app that asked lately; `undefined` where there is anything to refuse, and nothing has been done then. */
  function issueAtOnce(appKey: string, appSecurity: string, origin: Origin): Promise<IssuedToken> | undefined {
    const secret = keyed(appSecurity)
    const app = apps.get(appKey)
    if (!isRight(secret, app) || !isUsable(app, origin)) return undefined
    options.countRequest(app.corporationId)
    return issueTo(app)
  }

  async function loadApp(appKey: string): Promise<AppRecord | undefined> {
    const before = forgotten
    const app = await records.apps.find(appKey)
    if (app?.disabledAt === null && before === forgotten) apps.set(appKey, app)
    return app
  }

  function isUsable(app: AppRecord, origin: Origin): boolean {
    return app.disabledAt === null && (!app.demo || (options.demoAllowed && origin.local))
  }

  function newPair({ appKey, corporationId }: Pick<TokenRecord, 'appKey' | 'corporationId'>, expiresAt: number) {
    const { accessToken, refreshToken } = texts(now())
    const issued: IssuedToken = { accessToken, refreshToken, expiresAt, corporationId }
    const hashes = { tokenHash: tokenHashOf(accessToken), refreshHash: hashOf(refreshToken) }
    return { issued, token: { ...hashes, appKey, corporationId, expiresAt } }
  }

  async function issueTo(app: AppRecord): Promise<IssuedToken> {
    const { token, issued } = newPair(app, now() + options.lifeMilliseconds)
    try {
      await records.tokens.add(token)
    } catch (error) {
      if (!isReadOnly(error)) throw error
      // Callers take a token for every call: without one, links that need no write would be out of reach as well.
      known.set(token.tokenHash, token)
    }
    return issued
  }

  /** Counts a wrong secret. Right ones are never counted: real callers take a token for every call. */
  function refused(offender: string): Failure {
    const offence = offences.get(offender)
    const current = offence !== undefined && offence.until > now() ? offence : { count: 0, until: now() + MINUTE }
    current.count++
    offences.set(offender, current)
    if (current.count <= options.badSecretsPerMinute) return new Failure('InvalidSecret')
    return new Failure('TooManyAttempts', { retryAfterSeconds: Math.ceil((current.until - now()) / 1000) })
  }

  async function find(accessToken: string): Promise<TokenRecord | undefined> {
    const tokenHash = tokenHashOf(accessToken)
    const token = known.get(tokenHash) ?? (await load(tokenHash))
    return token !== undefined && token.expiresAt > now() ? token : undefined
  }

  async function load(tokenHash: string): Promise<TokenRecord | undefined> {
    const before = forgotten
    const token = await records.tokens.find(tokenHash)
    const app = token && !options.demoAllowed ? await records.apps.find(token.appKey) : undefined
    if (token === undefined || app?.demo) return undefined
    if (before === forgotten) known.set(tokenHash, token)
    return token
  }

  function forget(tokenHash: string): void {
    forgotten++
    known.delete(tokenHash)
  }

  return {
    issue,
    issueAtOnce,

    async authenticate(accessToken: string | undefined): Promise<Caller> {
      const token = accessToken ? await find(accessToken) : undefined
      if (token === undefined) throw new Failure('Unauthorized')
      return token
    },

    /** The same without waiting, for one that was seen lately. */
    known(accessToken: string): Caller | undefined {
      const token = known.get(tokenHashOf(accessToken))
      return token !== undefined && token.expiresAt > now() ? token : undefined
    },

    /** Trades a pair that has not expired for a new one; the old one is dead at once. */
    async refresh(accessToken: string, refreshToken: string, lifeDays: number): Promise<IssuedToken> {
      const token = await find(accessToken)
      const refreshHash = hashOf(refreshToken)
      if (token === undefined || !sameText(refreshHash, token.refreshHash)) throw new Failure('Unauthorized')
      options.countRequest(token.corporationId)
      const next = newPair(token, now() + lifeDays * DAY)
      const replaced = await records.tokens.replace({ tokenHash: token.tokenHash, refreshHash, at: now() }, next.token)
      forget(token.tokenHash)
      if (!replaced) throw new Failure('Unauthorized')
      return next.issued
    },

    /** Removes expired tokens, few of them here and now, many beside the requests. */
    async sweep(signal: AbortSignal): Promise<void> {
      const { tokens } = records
      const limit = tokens.sweepAside ? SLICE : LONG_SLICE
      for (let slices = 0; slices < MOST_SLICES || tokens.sweepAside === undefined; slices++) {
        if (signal.aborted || (await tokens.sweep(now(), limit)) < limit) return
        await new Promise(setImmediate)
      }
      await tokens.sweepAside(now(), signal)
    },

    /** Another process replaced this token. */
    forget,

    /** Another process disabled an app: whose tokens are known is not kept apart, so all are looked up again. */
    forgetAll(): void {
      forgotten++
      known.clear()
      apps.clear()
    },
  }
}

/** As appSecurity is kept: it has 256 bits of chance, so one keyed hash is as good as a slow one. */
export function secretHash(pepper: Buffer, secret: string): string {
  return keyedHash(pepper)(secret)
}

/** Then a token lives in this process alone. */
function isReadOnly(error: unknown): boolean {
  return error instanceof Failure && (error.code === 'ReadOnly' || error.code === 'StorageFull')
}

const NO_HASH = '-'.repeat(43)

function isRight(hashed: string, app: AppRecord | undefined): app is AppRecord {
  return sameText(hashed, app?.secretHash ?? NO_HASH) && app !== undefined
}

function sameText(a: string, b: string): boolean {
  const [left, right] = [Buffer.from(a), Buffer.from(b)]
  return left.length === right.length && timingSafeEqual(left, right)
}
