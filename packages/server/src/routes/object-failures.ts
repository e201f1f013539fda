import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { Failure } from '../errors.ts'
import { errorXml } from '../oss/error-xml.ts'
import { OssFailure } from '../oss/failure.ts'
import type { FailureWitness } from './control-failures.ts'
import { GUARDED } from './object-headers.ts'
import { passOverBody } from './unread-body.ts'

export interface ObjectFailureOptions {
  witness: FailureWitness
  now(): number
}

/** Every failure of the data plane as OSS tells it: XML, or for HEAD the same XML in `x-oss-err`. */
export function renderObjectFailures(app: FastifyInstance, { witness, now }: ObjectFailureOptions): void {
  app.setErrorHandler((error: Error, request, reply) => {
    passOverBody(request.raw)
    const failure = failureOf(error)
    witness.refused(failure.code, request)
    if (failure.status === 500) request.log.error({ err: error }, 'fault')
    else if (failure.status === 503) request.log.warn({ err: error }, 'unavailable')
    if (reply.raw.headersSent) return reply.raw.destroy()
    for (const name of Object.keys(reply.getHeaders())) {
      if (OF_THE_OBJECT.test(name) && !(failure.status === 416 && name === 'content-range')) reply.removeHeader(name)
    }
    return sendFailure(failure, { request, reply, now: now() })
  })
}

// Headers that were set for the object before its bytes could not be had.
const OF_THE_OBJECT =
  /^(cache-control|content-(?!security).*|etag|last-modified|accept-ranges|expires|x-oss-(hash|object|storage)-?.*)$/

// What is neither ours nor OSS's is a fault; its own words stay in the log.
function failureOf(error: Error): OssFailure {
  if (error instanceof OssFailure) return error
  if (error instanceof Failure)
    return new OssFailure('ServiceUnavailable', { retryAfterSeconds: error.retryAfterSeconds ?? 1, cause: error })
  return new OssFailure('InternalError', { cause: error })
}

function sendFailure(
  failure: OssFailure,
  { request, reply, now }: { request: FastifyRequest; reply: FastifyReply; now: number },
): FastifyReply {
  const xml = errorXml(failure, { requestId: request.id, host: request.headers.host ?? '', now })
  reply.code(failure.status).headers({ ...GUARDED, 'content-type': 'application/xml', 'x-oss-server-time': now })
  if (failure.ec) reply.header('x-oss-ec', failure.ec)
  if (failure.retryAfterSeconds !== undefined) reply.header('retry-after', failure.retryAfterSeconds)
  if (failure.code === 'MethodNotAllowed') reply.header('allow', 'GET, HEAD')
  if (request.method === 'HEAD') return reply.header('x-oss-err', Buffer.from(xml).toString('base64')).send()
  return reply.send(xml)
}
