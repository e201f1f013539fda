import type { FastifyInstance } from 'fastify'
import { Failure } from '../errors.ts'
import { isLocal } from './access-token.ts'

export interface OpsDeps {
  /** Resolves when requests can be served. */
  ready(): Promise<void>
  metrics: { contentType: string; text(): Promise<string> }
  metricsFor: 'loopback' | 'all' | 'off'
}

export const OPS_PATHS = { live: '/livez', ready: '/readyz', metrics: '/metrics' } as const

/** What an operator's machines ask: alive, ready, how much. */
export function opsRoutes(app: FastifyInstance, { ready, metrics, metricsFor }: OpsDeps): void {
  app.get(OPS_PATHS.live, async () => ({ status: 'live' }))
  app.get(OPS_PATHS.ready, async () => {
    await ready()
    return { status: 'ready' }
  })
  app.get(OPS_PATHS.metrics, async (request, reply) => {
    if (metricsFor === 'off' || (metricsFor === 'loopback' && !isLocal(request))) throw new Failure('NotFound')
    return reply.type(metrics.contentType).send(await metrics.text())
  })
}
