import { Readable } from 'node:stream'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { OBJECT_PATH } from '../routes/object-path.ts'
import { passOverBody } from '../routes/unread-body.ts'
import { sendFault } from './fault-answers.ts'
import type { ActiveFault, Faults } from './faults.ts'
import { pathOf } from './request-log.ts'
import { type Body, pause, spoiltBody } from './spoilt-body.ts'

export interface FaultHooksOptions {
  faults: Faults
  isControl(request: FastifyRequest): boolean
  now(): number
  /** Hears which fault a request met. */
  met(request: FastifyRequest, fault: ActiveFault): void
}

/** Lets faults happen. Gives what ends those that are under way. */
export function faultHooks(app: FastifyInstance, options: FaultHooksOptions): { release(): void } {
  const { faults, isControl, now, met } = options
  const spoiled = new WeakMap<FastifyRequest, { fault: ActiveFault; signal: AbortSignal }>()
  let waiting = new AbortController()

  app.addHook('onRequest', async (request, reply) => {
    const fault = isControl(request) ? undefined : faults.take(request.method, pathOf(request))
    if (fault === undefined) return undefined
    met(request, fault)
    const { signal } = waiting
    spoiled.set(request, { fault, signal })
    if (fault.delayMs !== undefined) await pause(fault.delayMs, { answer: reply.raw, signal })
    const { status } = fault
    if (status === undefined) return undefined
    passOverBody(request.raw)
    const dataPlane = request.url === OBJECT_PATH
    return sendFault({ ...fault, status }, { request, reply }, { dataPlane, now: now() })
  })

  app.addHook('onSend', async (request, reply, payload) => {
    const { fault, signal } = spoiled.get(request) ?? {}
    if (fault === undefined || signal === undefined || !spoils(fault)) return payload
    if (!isBody(payload)) {
      if (fault.cutAfterBytes !== undefined) reply.raw.destroy()
      return payload
    }
    declareLength(reply, payload)
    return spoiltBody(payload, { fault, answer: reply.raw, signal })
  })

  function release(): void {
    waiting.abort()
    waiting = new AbortController()
  }

  // Not renewed: what comes while the service ends waits for nothing.
  app.addHook('preClose', (done) => {
    waiting.abort()
    done()
  })
  return { release }
}

function spoils({ bytesPerSecond, cutAfterBytes, stallAfterBytes }: ActiveFault): boolean {
  return bytesPerSecond !== undefined || cutAfterBytes !== undefined || stallAfterBytes !== undefined
}

function isBody(payload: unknown): payload is Body {
  return typeof payload === 'string' || payload instanceof Uint8Array || payload instanceof Readable
}

/** A stream has no length of its own; without one a caller could not tell that it was cut. */
function declareLength(reply: FastifyReply, body: Body): void {
  if (body instanceof Readable || reply.hasHeader('content-length')) return
  reply.header('content-length', typeof body === 'string' ? Buffer.byteLength(body) : body.length)
}
