import type { FastifyInstance, FastifyRequest } from 'fastify'
import { Failure } from '../errors.ts'
import { isLoopback } from '../routes/access-token.ts'
import type { SettableClock } from './clock.ts'
import { PRESETS } from './fault-presets.ts'
import type { Faults } from './faults.ts'
import { DEV_PATHS } from './path-hints.ts'
import type { RequestLog } from './request-log.ts'

export interface DevRoutesDeps {
  faults: Faults
  clock: SettableClock
  log: RequestLog
  /** Clears all faults, and ends those under way. */
  clearFaults(): void
  /** Faults, clock and log as at the start; says whether the data was, too. */
  reset(): Promise<{ dataReset: boolean }>
  /** False when there is no such attachment. */
  remove(fileId: string): Promise<boolean>
}

const { faults: FAULTS, clock: CLOCK, reset: RESET, requests: REQUESTS, attachments: ATTACHMENTS } = DEV_PATHS
const OWN = new RegExp(`^(${[FAULTS, CLOCK, RESET, REQUESTS].join('|')}|${ATTACHMENTS}/[\\w-]+)(\\?|$)`)

/** Whether a URL is one of the development mode; an object's never is, for its key begins with `openapi`. */
export function isDevUrl(url: string): boolean {
  return OWN.test(url)
}

/** What tests ask of the development mode beside the service. */
export function devRoutes(scope: FastifyInstance, deps: DevRoutesDeps): void {
  const { faults, clock, log } = deps
  scope.addHook('onRequest', async (request) => refuseOthers(request))
  // curl -d names no JSON; whoever may ask at all may ask so.
  scope.removeAllContentTypeParsers()
  scope.addContentTypeParser('*', { parseAs: 'string' }, (_request, body, done) => {
    try {
      done(null, body === '' ? undefined : JSON.parse(String(body)))
    } catch (error) {
      done(error instanceof SyntaxError ? new Failure('InvalidJson') : (error as Error))
    }
  })

  scope.get(FAULTS, async () => ({ faults: faults.list(), presets: PRESETS }))
  scope.post(FAULTS, async ({ body }) => faults.add(body))
  scope.delete<{ Querystring: { id?: string } }>(FAULTS, async ({ query: { id } }) => {
    if (id === undefined) deps.clearFaults()
    else if (!faults.remove(Number(id))) throw new Failure('NotFound')
    return { faults: faults.list() }
  })

  scope.get(CLOCK, async () => timeNow())
  scope.post(CLOCK, async ({ body }) => {
    setClock(clock, body)
    return timeNow()
  })

  scope.post(RESET, async () => deps.reset())
  scope.get<{ Querystring: { path?: string } }>(REQUESTS, async ({ query }) => log.report(query.path))
  scope.delete(REQUESTS, async () => {
    log.clear()
    return log.report()
  })
  scope.delete<{ Params: { fileId: string } }>(`${ATTACHMENTS}/:fileId`, async ({ params }) => {
    if (!(await deps.remove(params.fileId))) throw new Failure('NotFound')
    return { removed: params.fileId }
  })

  function timeNow() {
    return { now: clock.now(), time: new Date(clock.now()).toISOString(), aheadSeconds: clock.ahead() / 1000 }
  }
}

function setClock(clock: SettableClock, body: unknown): void {
  const { now, advanceSeconds, ...others } = (body ?? {}) as Record<string, unknown>
  const time = typeof now === 'string' ? Date.parse(now) : now
  const wanted = 'send {"now": Unix milliseconds or an ISO time} or {"advanceSeconds": number}'
  try {
    if (Object.keys(others).length > 0) throw new RangeError(wanted)
    if (typeof time === 'number' && advanceSeconds === undefined) clock.set(time)
    else if (typeof advanceSeconds === 'number' && now === undefined) clock.advance(advanceSeconds)
    else throw new RangeError(wanted)
  } catch (error) {
    if (!(error instanceof RangeError)) throw error
    throw new Failure('InvalidParameter', { message: error.message })
  }
}

/** A page of another site, opened on this machine, must not reach in: neither by a form nor by a name that it points here. */
function refuseOthers(request: FastifyRequest): void {
  const { host = '', origin } = request.headers
  const forwarded = request.headers['x-forwarded-for'] !== undefined || request.headers['forwarded'] !== undefined
  const here = /^(localhost|127\.\d+\.\d+\.\d+|\[::1\])(:\d+)?$/i.test(host)
  const own = origin === undefined || origin === `http://${host}`
  if (here && own && !forwarded && isLoopback(request.raw.socket.remoteAddress)) return
  throw new Failure('Unauthorized', { message: '开发接口只接受本机请求 (/dev answers this machine only)' })
}
