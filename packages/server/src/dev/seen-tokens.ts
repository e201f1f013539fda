import { hash } from 'node:crypto'
import { LRUCache } from 'lru-cache'

export interface SeenToken {
  kind: 'access' | 'refresh'
  /** Unix milliseconds. */
  expiresAt: number
  /** Set once a refresh gave a new pair for it. */
  replaced: boolean
}

export type SeenTokens = ReturnType<typeof seenTokens>

const MOST_TOKENS = 2000

/** The tokens that this process gave, as hashes: the service forgets those that are over, a hint says why they are. */
export function seenTokens() {
  const seen = new LRUCache<string, SeenToken>({ max: MOST_TOKENS })
  const hashOf = (token: string) => hash('sha256', token, 'base64url')
  return {
    /** The body of an answer of getAccessToken or refreshToken; `replacing` is the access token that a refresh came with. */
    gave(body: unknown, replacing?: string): void {
      const { value } = (body ?? {}) as { value?: Record<string, unknown> }
      const { accessToken, refreshToken, expireTime } = value ?? {}
      if (typeof accessToken !== 'string' || typeof refreshToken !== 'string') return
      const expiresAt = Number(expireTime)
      const old = replacing === undefined ? undefined : seen.get(hashOf(replacing))
      if (old) old.replaced = true
      seen.set(hashOf(accessToken), { kind: 'access', expiresAt, replaced: false })
      seen.set(hashOf(refreshToken), { kind: 'refresh', expiresAt, replaced: false })
    },
    find: (token: string): SeenToken | undefined => seen.get(hashOf(token)),
  }
}
