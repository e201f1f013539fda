import type { FastifyBaseLogger, FastifyReply, FastifyRequest } from 'fastify'
import type { AuditLog } from '../audit/audit-log.ts'
import { inBatches } from '../logging.ts'
import { tellAudit } from './audit-trail.ts'
import { tellPlain } from './plain-audit.ts'
import type { Answered } from './plain-requests.ts'

export interface EndedRequestsDeps {
  metrics: { observe(request: { route: string; method: string; status: number }, seconds: number): void }
  logger: Pick<FastifyBaseLogger, 'info'>
  /** Nothing is kept where it is switched off. */
  audit: Pick<AuditLog, 'note'> | undefined
}

interface EndedRequest {
  route: string
  reqId: string
  method: string
  path: string
  status: number
  seconds: number
  /** The caller left before all of the answer did. */
  cut: true | undefined
}

/** What is told of each request that is over: to the metrics, the log and the audit log. */
export function endedRequests({ metrics, logger, audit }: EndedRequestsDeps) {
  const ended = inBatches(({ route, seconds, ...told }: EndedRequest) => {
    metrics.observe({ route, method: told.method, status: told.status }, seconds)
    logger.info({ ...told, ms: Math.round(seconds * 10_000) / 10 }, 'request')
  })
  const plain = inBatches((answered: Answered) => {
    const { route, id: reqId, request, response, startedAt, endedAt } = answered
    const { method = '', url = '' } = request
    const seconds = (endedAt - startedAt) / 1000
    const cut = !response.writableFinished || undefined
    ended.handle({ route, reqId, method, path: withoutQuery(url), status: response.statusCode, seconds, cut })
    if (audit) tellPlain(answered, audit)
  })
  return {
    /** Of one that was answered before the frame. */
    plain: plain.add,
    framed(request: FastifyRequest, reply: FastifyReply, cut: boolean): void {
      if (audit) tellAudit(request, reply, audit)
      const { method, id: reqId, originalUrl } = request
      const { url: route } = request.routeOptions
      const path = route === undefined ? withoutLongParts(originalUrl) : withoutQuery(originalUrl)
      const seconds = reply.elapsedTime / 1000
      ended.add({
        route: route ?? 'none',
        reqId,
        method,
        path,
        status: reply.statusCode,
        seconds,
        cut: cut || undefined,
      })
    },
    /** Tells what waits to be told. */
    flush(): void {
      ended.flush()
      plain.flush()
    },
  }
}

/** Where nothing is, a caller may have put a token into the path by mistake. */
function withoutLongParts(url: string): string {
  return withoutQuery(url).replace(/[^/]{20,}/g, '…')
}

/** The query holds tokens and signatures. */
function withoutQuery(url: string): string {
  const mark = url.indexOf('?')
  return mark === -1 ? url : url.slice(0, mark)
}
