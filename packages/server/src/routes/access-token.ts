import type { IncomingMessage } from 'node:http'
import { type AccessTokenValue, isGetAccessTokenRequest, PATHS } from '@attache/protocol'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import type { IssuedToken, Origin } from '../attachments/access-tokens.ts'
import { Failure } from '../errors.ts'

export interface AccessTokenDeps {
  tokens: {
    issue(appKey: string, appSecurity: string, origin: Origin): Promise<IssuedToken>
    refresh(accessToken: string, refreshToken: string, lifeDays: number): Promise<IssuedToken>
  }
  publicUrl(): string
  /** Why the token could not be issued that was tried before the frame began. */
  failed: Pick<WeakMap<IncomingMessage, Error>, 'get'>
}

type Query = Record<string, string | undefined>

/** Who has no token yet is given no more memory than a pair of texts takes. */
export const TOKEN_BODY_LIMIT = 8 * 1024
const REFRESHED_DAYS = 32
const MOST_DAYS = 365

/** Tokens, and where the service is: what a caller asks before it has a token. */
export function accessTokenRoutes(app: FastifyInstance, { tokens, publicUrl, failed }: AccessTokenDeps): void {
  app.post(PATHS.getAccessToken, { bodyLimit: TOKEN_BODY_LIMIT }, async (request) => {
    const { body } = request
    if (!isGetAccessTokenRequest(body)) throw new Failure('InvalidSecret')
    request.trail.claimedAppKey = body.appKey
    const failure = failed.get(request.raw)
    if (failure) throw failure
    return answerOf(await tokens.issue(body.appKey, body.appSecurity, originOf(request)))
  })

  const unread = { bodyLimit: TOKEN_BODY_LIMIT }
  app.post<{ Querystring: Query }>(PATHS.refreshToken, unread, async ({ query }) =>
    answerOf(await refresh(query, REFRESHED_DAYS)),
  )

  app.post<{ Querystring: Query }>(PATHS.refreshTokenExpireDate, unread, async ({ query }) => {
    const days = /^\d{1,3}$/.test(query['expireDate'] ?? '') ? Number(query['expireDate']) : 0
    if (days < 1 || days > MOST_DAYS)
      throw new Failure('InvalidParameter', { message: `参数expireDate必须为1到${MOST_DAYS}之间的整数（天）` })
    return answerOf(await refresh(query, days))
  })

  app.get(PATHS.location, async () => ({ value: `${publicUrl()}/` }))

  function refresh(query: Query, days: number): Promise<IssuedToken> {
    return tokens.refresh(query['accessToken'] ?? '', query['refreshToken'] ?? '', days)
  }
}

export function answerOf({ accessToken, refreshToken, expiresAt, corporationId }: IssuedToken): AccessTokenValue {
  return { value: { accessToken, refreshToken, expireTime: expiresAt, corporationId } }
}

function originOf(request: FastifyRequest): Origin {
  return { address: request.ip, local: isLocal(request) }
}

/** Whether this very machine asks. A proxy here forwards calls of others, whether it is a trusted one or not: those are not local. */
export function isLocal({ headers, raw }: FastifyRequest): boolean {
  const forwarded = headers['x-forwarded-for'] !== undefined || headers['forwarded'] !== undefined
  return isLoopback(raw.socket.remoteAddress) && !forwarded
}

export function isLoopback(address: string | undefined): boolean {
  return address !== undefined && (/^(::ffff:)?127\./.test(address) || address === '::1')
}
