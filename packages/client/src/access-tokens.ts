import { isObject } from './answers.ts'
import { type Clock, unlessAborted } from './clock.ts'
import { AttacheError, isUnauthorized } from './errors.ts'
import type { JsonCall } from './json-calls.ts'
import type { LogEntry } from './transport.ts'
import { PATHS } from './wire.ts'

export interface AccessTokensOptions {
  baseUrl: string
  appKey: string
  appSecurity: string
  json: JsonCall
  clock: Clock
  timeoutMilliseconds: number
  log: (entry: LogEntry) => void
}

export interface AccessTokens {
  get(signal?: AbortSignal): Promise<string>
  /** The server refused this token: the next `get` asks for another, unless somebody has already. */
  refused(token: string): void
  /** What must never be shown. */
  secrets(): Iterable<string>
}

interface Kept {
  token: string
  refreshToken: string
  refreshAt: number
  expiresAt: number
}

const REFRESH_AT = 0.9
const MOST_REMEMBERED = 8
const LONGEST_LIFE_MILLISECONDS = 400 * 86_400_000

/** One token for all calls, asked for once however many wait for it, and again when nine tenths of its life are over. */
export function accessTokens(options: AccessTokensOptions): AccessTokens {
  const { clock, log } = options
  let kept: Kept | undefined
  let coming: Promise<Kept> | undefined
  // A token that was refused is not to be shown either.
  let lately: Kept[] = []

  async function ask(): Promise<Kept> {
    const old = kept
    try {
      kept = await issue(options)
      lately = [kept, ...lately].slice(0, MOST_REMEMBERED)
      log({ event: 'token', operation: 'token' })
      return kept
    } catch (error) {
      // The old one is good for a tenth of its life yet.
      if (old !== undefined && old === kept && !isUnauthorized(error) && clock.now() < old.expiresAt) return old
      throw error
    } finally {
      coming = undefined
    }
  }

  return {
    async get(signal) {
      signal?.throwIfAborted()
      if (kept !== undefined && clock.now() < kept.refreshAt) return kept.token
      coming ??= ask()
      return (await unlessAborted(coming, signal)).token
    },
    refused(token) {
      if (kept?.token === token) kept = undefined
    },
    *secrets() {
      yield options.appSecurity
      for (const { token, refreshToken } of lately) yield* [token, refreshToken]
    },
  }
}

async function issue({
  baseUrl,
  appKey,
  appSecurity,
  json,
  clock,
  timeoutMilliseconds,
}: AccessTokensOptions): Promise<Kept> {
  const operation = 'token'
  const answer = await json({
    operation,
    plane: 'control',
    url: baseUrl + PATHS.getAccessToken,
    init: { method: 'POST', headers: { 'content-type': 'application/json' }, redirect: 'manual' },
    body: () => ({ body: JSON.stringify({ appKey, appSecurity }) }),
    repeatable: 'always',
    timeoutMilliseconds,
  })
  const value = isObject(answer) ? answer['value'] : undefined
  if (!isObject(value) || typeof value['accessToken'] !== 'string' || value['accessToken'] === '') {
    throw new AttacheError('the answer holds no accessToken', { kind: 'protocol', operation })
  }
  const now = clock.now()
  const life = Math.min(Number(value['expireTime']) - now, LONGEST_LIFE_MILLISECONDS)
  return {
    token: value['accessToken'],
    refreshToken: typeof value['refreshToken'] === 'string' ? value['refreshToken'] : '-',
    refreshAt: now + (life > 0 ? life : ASSUMED_LIFE_MILLISECONDS) * REFRESH_AT,
    expiresAt: now + life,
  }
}

// For a clock that is hours ahead of the server's: a token that has ended sooner is told by a 403.
const ASSUMED_LIFE_MILLISECONDS = 7_200_000
