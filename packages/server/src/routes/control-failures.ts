import type { FailureBody } from '@attache/protocol'
import type { FastifyError, FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { Failure, type FailureCode } from '../errors.ts'
import { passOverBody } from './unread-body.ts'

export interface FailureWitness {
  /** Hears of each refusal by its code. */
  refused(code: string, request: FastifyRequest, detail?: string): void
}

// What Fastify itself throws before a handler runs, in our words.
const FROM_FASTIFY: Record<string, FailureCode> = {
  FST_ERR_CTP_BODY_TOO_LARGE: 'BodyTooLarge',
  FST_ERR_CTP_INVALID_MEDIA_TYPE: 'UnsupportedMediaType',
  FST_ERR_CTP_EMPTY_JSON_BODY: 'InvalidJson',
  FST_ERR_CTP_INVALID_JSON_BODY: 'InvalidJson',
  FST_ERR_CTP_INVALID_CONTENT_LENGTH: 'MalformedRequest',
  FST_ERR_BAD_URL: 'MalformedRequest',
}

/** Every failure of the control plane in the one published shape; a fault is logged whole and told without detail. */
export function renderControlFailures(app: FastifyInstance, witness: FailureWitness): void {
  app.setErrorHandler((error: FastifyError | Failure, request, reply) => {
    passOverBody(request.raw)
    // Fastify asks for it where a body is too large; a connection that is closed under a caller who still sends takes the
    // answer with it.
    reply.removeHeader('connection')
    const failure = failureOf(error)
    if (failure === undefined) {
      witness.refused('Fault', request)
      request.log.error({ err: error }, 'fault')
      return reply.code(500).send(bodyOf(500, `服务器内部错误，请联系管理员并提供请求编号 ${request.id}`))
    }
    if (failure.status >= 500 && failure.cause !== undefined) request.log.error({ err: failure.cause }, failure.code)
    return sendFailure(failure, reply, witness)
  })
  const methods = methodsByPath(app)
  app.setNotFoundHandler((request, reply) => {
    const allowed = methods.get(pathOf(request)) ?? methods.get(pathOf(request).replace(ARGUMENT, ':'))
    if (allowed === undefined) return sendFailure(new Failure('NotFound'), reply, witness)
    return sendFailure(new Failure('MethodNotAllowed'), reply.header('allow', [...allowed].join(', ')), witness)
  })
}

// One path has a parameter, which begins with `$`.
const PARAMETER = /:\w+$/
const ARGUMENT = /(?:\$|%24)[^/]*$/

function methodsByPath(app: FastifyInstance): Map<string, Set<string>> {
  const methods = new Map<string, Set<string>>()
  app.addHook('onRoute', ({ url, method }) => {
    const path = url.replace(PARAMETER, ':')
    const known = methods.get(path) ?? new Set()
    methods.set(path, known)
    for (const one of [method].flat()) known.add(one)
  })
  return methods
}

function failureOf(error: FastifyError | Failure): Failure | undefined {
  if (error instanceof Failure) return error
  const code = FROM_FASTIFY[error.code]
  if (code !== undefined) return new Failure(code)
  return error.statusCode !== undefined && error.statusCode < 500 ? new Failure('MalformedRequest') : undefined
}

function sendFailure(failure: Failure, reply: FastifyReply, { refused }: FailureWitness): FastifyReply {
  refused(failure.code, reply.request, failure.details?.[0]?.message)
  if (failure.retryAfterSeconds !== undefined) reply.header('retry-after', failure.retryAfterSeconds)
  return reply.code(failure.status).send(failureBody(failure))
}

export function failureBody({ status, message, details }: Failure): FailureBody {
  return bodyOf(status, message, details)
}

function bodyOf(status: number, message: string, details: Failure['details'] = undefined): FailureBody {
  return { errorCode: status, errorMessage: message, errorDetails: details ?? null, code: null, data: null }
}

function pathOf(request: FastifyRequest): string {
  return request.url.split('?', 1)[0] ?? ''
}
