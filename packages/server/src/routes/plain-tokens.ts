import type { IncomingMessage, ServerResponse } from 'node:http'
import { isGetAccessTokenRequest } from '@attache/protocol'
import type { IssuedToken, Origin } from '../attachments/access-tokens.ts'
import { Failure } from '../errors.ts'
import { answerOf, isLoopback } from './access-token.ts'

export interface PlainTokensDeps {
  tokens: {
    issueAtOnce(appKey: string, appSecurity: string, origin: Origin): Promise<IssuedToken> | undefined
  }
}

/** Begins to issue a token to an app that asked lately; `undefined` where there is anything to refuse, and nothing has been done then. */
export function plainTokens({ tokens }: PlainTokensDeps) {
  return (body: unknown, { socket }: IncomingMessage): Promise<IssuedToken> | undefined => {
    // Names that a strict parser refuses can only stand in further fields.
    if (!isGetAccessTokenRequest(body) || Object.keys(body).length !== 2) return undefined
    const address = socket.remoteAddress ?? ''
    try {
      // What a proxy forwards is not plain.
      return tokens.issueAtOnce(body.appKey, body.appSecurity, { address, local: isLoopback(address) })
    } catch (error) {
      if (error instanceof Failure) return undefined
      throw error
    }
  }
}

/** `last` where the service has begun to close meanwhile. */
export function sendToken(response: ServerResponse, issued: IssuedToken, { id, last }: { id: string; last: boolean }) {
  const text = JSON.stringify(answerOf(issued))
  const type = 'application/json; charset=utf-8'
  const head = ['x-request-id', id, 'cache-control', 'no-store', 'content-type', type, 'content-length']
  response
    .writeHead(200, [...head, String(Buffer.byteLength(text)), ...(last ? ['connection', 'close'] : [])])
    .end(text)
}
