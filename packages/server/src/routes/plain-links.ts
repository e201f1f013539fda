import type { IncomingMessage, ServerResponse } from 'node:http'
import { type DownloadRequest, isDownloadRequests, PATHS } from '@attache/protocol'
import type { Caller } from '../attachments/access-tokens.ts'
import { Failure } from '../errors.ts'
import { atTurnsEnd, beforeTurnsEnd } from './turns-end.ts'

export interface PlainLinksDeps {
  tokens: { known(accessToken: string): Caller | undefined }
  attachments: { knownLinks(asked: readonly DownloadRequest[], caller: Caller): (() => string) | undefined }
  quotas: { request(corporationId: string): void; uncount(corporationId: string): void }
}

const START = `${PATHS.downloadUrls}?accessToken=`
const TOKEN = /^[\w-]+$/
// The whole body waits in the request's own buffer, which holds twice as much.
export const MOST_PLAIN_BYTES = 32 * 1024

/** Trades ids for links from memory. */
export function plainLinks({ tokens, attachments, quotas }: PlainLinksDeps) {
  function callerOf(url: string): Caller | undefined {
    if (!url.startsWith(START)) return undefined
    const token = url.slice(START.length)
    return TOKEN.test(token) ? tokens.known(token) : undefined
  }

  /** `undefined` where the body asks for anything that isn't known, or is to be refused: nothing has been done then. */
  function linksFor(body: Buffer, caller: Caller): { text: string; asked: readonly DownloadRequest[] } | undefined {
    const asked = parsed(body)
    if (!isDownloadRequests(asked) || !asked.every(hasNothingElse)) return undefined
    const write = attachments.knownLinks(asked, caller)
    if (write === undefined) return undefined
    let counted = false
    try {
      quotas.request(caller.corporationId)
      counted = true
      return { text: write(), asked }
    } catch (error) {
      if (!(error instanceof Failure)) throw error
      // The route counts the call.
      if (counted) quotas.uncount(caller.corporationId)
      return undefined
    }
  }

  return { callerOf, linksFor }
}

/** Writes what `linksFor` gave: one byte a character. */
export function sendLinks(response: ServerResponse, text: string, id: string): void {
  const type = 'application/json; charset=utf-8'
  const head = ['x-request-id', id, 'cache-control', 'no-store', 'content-type', type, 'content-length']
  atTurnsEnd(() => response.writeHead(200, [...head, String(text.length)]).end(text, 'latin1'))
}

/** All of a body of `length` bytes once it is there. It is not taken out of the request, which can go on to the route. */
export function whenComplete(request: IncomingMessage, length: number, then: () => void): void {
  const look = () => {
    if (request.readableLength < length) return
    request.off('readable', look)
    then()
  }
  // Most bodies come with their heads; to be told of others costs more than to look.
  beforeTurnsEnd(() => {
    if (request.readableLength < length) request.on('readable', look)
    else then()
  })
}

/** Names that a strict parser refuses, such as `__proto__`, and depth it refuses can only stand in further fields. */
function hasNothingElse(request: DownloadRequest): boolean {
  return Object.keys(request).length === 3
}

export function parsed(body: Buffer): unknown {
  const text = body.toString()
  try {
    return JSON.parse(text)
  } catch (error) {
    if (error instanceof SyntaxError) return undefined
    throw error
  }
}
