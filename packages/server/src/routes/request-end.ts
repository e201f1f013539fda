import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'

interface Stage {
  /** The handler is through: whatever it had to say of the request is known. */
  answered: boolean
  closed: boolean
  told: boolean
}

/** `cut` where the caller left before all of the answer did. */
type Tell = (request: FastifyRequest, reply: FastifyReply, cut: boolean) => void

/**
 * Tells of each request once, when its answer is worked out and has left, or can't leave any more. Fastify's `onResponse`
 * does not come when a reader goes away halfway, who may have taken thousands of links, or before the answer to an upload
 * that was stored.
 */
export function whenEnded(app: FastifyInstance, tell: Tell): void {
  const stages = new WeakMap<FastifyRequest, Stage>()

  function end(request: FastifyRequest, reply: FastifyReply, stage: Stage): void {
    if (stage.told) return
    stage.told = true
    tell(request, reply, stage.closed)
  }

  app.addHook('onRequest', (request, reply, done) => {
    const stage: Stage = { answered: false, closed: false, told: false }
    stages.set(request, stage)
    reply.raw.once('close', () => {
      stage.closed = true
      if (stage.answered || reply.sent) end(request, reply, stage)
    })
    done()
  })
  app.addHook('onSend', (request, reply, _body, done) => {
    const stage = stages.get(request)
    if (stage) stage.answered = true
    // Later: the status is the answer's once all hooks are through.
    if (stage?.closed) setImmediate(end, request, reply, stage)
    done()
  })
  app.addHook('onResponse', (request, reply, done) => {
    const stage = stages.get(request)
    if (stage) end(request, reply, stage)
    done()
  })
}
