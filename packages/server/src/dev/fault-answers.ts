import type { FailureBody } from '@attache/protocol'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { FAILURES, type FailureCode } from '../errors.ts'
import { errorXml } from '../oss/error-xml.ts'
import { OssFailure, type OssFailureCode } from '../oss/failure.ts'
import type { Fault } from './faults.ts'

export interface FaultAnswerContext {
  /** Whether an object was asked for. */
  dataPlane: boolean
  now: number
}

/** Answers as the vendor, or the store behind it, would if this had happened there. */
export function sendFault(
  fault: Fault & { status: number },
  exchange: { request: FastifyRequest; reply: FastifyReply },
  { dataPlane, now }: FaultAnswerContext,
): FastifyReply {
  const { request, reply } = exchange
  const as = fault.as ?? (dataPlane ? 'xml' : 'json')
  reply.code(fault.status).header('x-request-id', request.id)
  if (dataPlane) reply.headers({ server: 'AliyunOSS', 'x-oss-request-id': request.id })
  if (fault.retryAfterSeconds !== undefined) reply.header('retry-after', fault.retryAfterSeconds)
  if (as === 'text') return reply.type('text/plain; charset=utf-8').send(messageOf(fault, request.id))
  if (as === 'json')
    return reply.type('application/json; charset=utf-8').send(JSON.stringify(bodyOf(fault, request.id)))
  const failure = new OssFailure(OSS_CODES[fault.status] ?? 'InternalError', messageOption(fault))
  const xml = errorXml(failure, { requestId: request.id, host: request.headers.host ?? '', now })
  reply.headers({ 'content-type': 'application/xml', 'x-oss-server-time': now })
  if (request.method === 'HEAD') return reply.header('x-oss-err', Buffer.from(xml).toString('base64')).send()
  return reply.send(xml)
}

const CODES: Record<number, FailureCode> = {
  400: 'InvalidParameter',
  403: 'Unauthorized',
  404: 'NotFound',
  405: 'MethodNotAllowed',
  412: 'InvalidJson',
  413: 'BodyTooLarge',
  415: 'UnsupportedMediaType',
  429: 'TooManyAttempts',
  503: 'StorageUnavailable',
}

const OSS_CODES: Record<number, OssFailureCode> = {
  400: 'InvalidArgument',
  403: 'AnonymousObject',
  404: 'NoSuchKey',
  405: 'MethodNotAllowed',
  412: 'PreconditionFailed',
  416: 'InvalidRange',
  503: 'ServiceUnavailable',
}

function messageOption({ message }: Fault): { message?: string } {
  return message === undefined ? {} : { message }
}

function messageOf({ message, status = 500 }: Fault, requestId: string): string {
  const code = CODES[status]
  return message ?? (code ? FAILURES[code].message : `服务器内部错误，请联系管理员并提供请求编号 ${requestId}`)
}

function bodyOf(fault: Fault & { status: number }, requestId: string): FailureBody {
  const errorMessage = messageOf(fault, requestId)
  return { errorCode: fault.status, errorMessage, errorDetails: null, code: null, data: null }
}
