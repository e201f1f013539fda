import type { IncomingMessage, ServerResponse } from 'node:http'
import { type DownloadRequest, PATHS } from '@attache/protocol'
import type { Caller } from '../attachments/access-tokens.ts'
import { TOKEN_BODY_LIMIT } from './access-token.ts'
import { OBJECT_PATH } from './object-path.ts'
import { type PlainGetDeps, type PlainUse, plainGet } from './plain-get.ts'
import { MOST_PLAIN_BYTES, type PlainLinksDeps, parsed, plainLinks, sendLinks, whenComplete } from './plain-links.ts'
import { type PlainTokensDeps, plainTokens, sendToken } from './plain-tokens.ts'

export interface PlainRequestsDeps
  extends Omit<PlainGetDeps, 'attachments' | 'quotas'>,
    Omit<PlainLinksDeps, 'attachments' | 'quotas' | 'tokens'> {
  tokens: PlainLinksDeps['tokens'] & PlainTokensDeps['tokens']
  attachments: PlainGetDeps['attachments'] & PlainLinksDeps['attachments']
  quotas: PlainGetDeps['quotas'] & PlainLinksDeps['quotas']
  /** Where the route finds why a token could not be issued. */
  failed: Pick<WeakMap<IncomingMessage, Error>, 'set'>
  newId(): string
  /** Whether this is a time to take requests in this way at all. */
  open(): boolean
  /** Told once the answer has left, or its connection is gone. */
  ended(answered: Answered): void
}

export interface Answered {
  id: string
  request: IncomingMessage
  response: ServerResponse
  route: string
  /** By the clock of `performance`. */
  startedAt: number
  endedAt: number
  address: string | undefined
  /** What the connection had written before, and when it was over. */
  bytesBefore: number
  bytesAfter: number
  used?: PlainUse
  issued?: { caller: Caller; asked: readonly DownloadRequest[] }
}

type Handler = (request: IncomingMessage, response: ServerResponse) => void

/**
 * The requests that nearly all traffic consists of, each in its plainest form and about what is in memory, answered
 * before the frame has begun. They answer 200 or stand aside: what is in any way particular, unknown or to be refused goes
 * to `otherwise` untouched, and the routes alone decide about it. A test holds their answers to those of the routes.
 */
export function plainRequests(deps: PlainRequestsDeps, otherwise: Handler): Handler {
  const get = plainGet(deps)
  const { callerOf, linksFor } = plainLinks(deps)
  const begin = plainTokens(deps)

  function answered(told: Omit<Answered, 'address' | 'endedAt' | 'bytesAfter'>): void {
    const { socket } = told.request
    // One that is closed has no address any more.
    const address = socket.remoteAddress
    const ended = () =>
      deps.ended({ ...told, address, endedAt: performance.now(), bytesAfter: socket.bytesWritten ?? 0 })
    // Who asked for a token may have left while it was written.
    if (told.response.destroyed) ended()
    else told.response.once('close', ended)
  }

  function takeGet(request: IncomingMessage, response: ServerResponse): boolean {
    const startedAt = performance.now()
    const bytesBefore = request.socket.bytesWritten ?? 0
    const id = deps.newId()
    const used = get(request, response, id)
    if (used) answered({ id, request, response, route: OBJECT_PATH, startedAt, bytesBefore, used })
    return used !== undefined
  }

  function takeLinks(request: IncomingMessage, response: ServerResponse): boolean {
    const startedAt = performance.now()
    const length = Number(request.headers['content-length'])
    const caller = length > 0 && length <= MOST_PLAIN_BYTES ? callerOf(request.url ?? '') : undefined
    if (caller === undefined) return false
    whenComplete(request, length, () => {
      const body: Buffer = request.read()
      const links = linksFor(body, caller)
      if (links === undefined) {
        request.unshift(body)
        otherwise(request, response)
        return
      }
      const id = deps.newId()
      sendLinks(response, links.text, id)
      const issued = { caller, asked: links.asked }
      answered({ id, request, response, route: PATHS.downloadUrls, startedAt, bytesBefore: 0, issued })
    })
    return true
  }

  function takeToken(request: IncomingMessage, response: ServerResponse): boolean {
    const startedAt = performance.now()
    const length = Number(request.headers['content-length'])
    if (!(length > 0 && length <= TOKEN_BODY_LIMIT)) return false
    whenComplete(request, length, () => {
      const body: Buffer = request.read()
      // Put back before it would have ended: the route may still have to read it.
      request.unshift(body)
      const issuing = begin(parsed(body), request)
      if (issuing === undefined) {
        otherwise(request, response)
        return
      }
      issuing.then(
        (issued) => {
          request.read()
          const id = deps.newId()
          sendToken(response, issued, { id, last: !deps.open() })
          answered({ id, request, response, route: PATHS.getAccessToken, startedAt, bytesBefore: 0 })
        },
        (error: Error) => {
          deps.failed.set(request, error)
          otherwise(request, response)
        },
      )
    })
    return true
  }

  function takePost(request: IncomingMessage, response: ServerResponse): boolean {
    return request.url === PATHS.getAccessToken ? takeToken(request, response) : takeLinks(request, response)
  }

  return (request, response) => {
    const take = request.method === 'GET' ? takeGet : request.method === 'POST' ? takePost : undefined
    const taken = take !== undefined && deps.open() && isPlain(request) && take(request, response)
    if (!taken) otherwise(request, response)
  }
}

const JSON_TYPE = /^application\/json(; ?charset=utf-8)?$/i
const PARTICULAR =
  /^(if-.*|x-oss-.*|authorization|expect|transfer-encoding|content-(?!type|length).*|x-forwarded-.*|forwarded)$/i

/** Nothing in the headers that a route would look at. */
function isPlain({ method, rawHeaders, headers }: IncomingMessage): boolean {
  for (let i = 0; i < rawHeaders.length; i += 2) if (PARTICULAR.test(rawHeaders[i] ?? '')) return false
  const { 'content-type': type, 'content-length': length } = headers
  return method === 'POST' ? type !== undefined && JSON_TYPE.test(type) : type === undefined && length === undefined
}
