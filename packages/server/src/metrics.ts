import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client'

export interface RendererStats {
  queued: number
  running: number
  rendered: number
  cachedBytes: number
}

export interface MetricsOptions {
  renderer(): RendererStats
  /** Lines of the audit log that could not be kept. */
  auditLost(): number
  /** Whether uploads are refused because a store can't write. */
  readOnly(): boolean
}

export type Metrics = ReturnType<typeof metrics>

/** What `/metrics` tells. Labels are route names and codes, never what a caller sent. */
export function metrics({ renderer, auditLost, readOnly }: MetricsOptions) {
  const registry = new Registry()
  const registers = [registry]
  collectDefaultMetrics({ register: registry })
  const requests = new Histogram({
    name: 'attache_request_seconds',
    help: 'Duration of requests by route and status',
    labelNames: ['route', 'method', 'status'],
    buckets: [0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3, 10],
    registers,
  })
  // Finding a series by its labels costs more than counting; routes, methods and statuses are few.
  const children = new Map<string, ReturnType<typeof requests.labels>>()
  const refusals = new Counter({
    name: 'attache_refusals_total',
    help: 'Refused requests by reason',
    labelNames: ['code'],
    registers,
  })
  const uploaded = new Counter({ name: 'attache_uploaded_bytes_total', help: 'Bytes of stored uploads', registers })
  for (const [name, help] of RENDERER_GAUGES) {
    new Gauge({
      name: `attache_renderer_${name}`,
      help,
      registers,
      collect() {
        this.set(renderer()[FIELDS[name]])
      },
    })
  }
  const unscanned = new Counter({
    name: 'attache_unscanned_uploads_total',
    help: 'Uploads that the scanner gave no verdict on, refused or accepted as the setting says',
    registers,
  })
  new Gauge({
    name: 'attache_read_only',
    help: '1 while a store can not write',
    registers,
    collect() {
      this.set(readOnly() ? 1 : 0)
    },
  })
  new Counter({
    name: 'attache_audit_lost_lines_total',
    help: 'Lines of the audit log that could not be kept',
    registers,
    collect() {
      this.reset()
      this.inc(auditLost())
    },
  })
  return {
    observe({ route, method, status }: { route: string; method: string; status: number }, seconds: number) {
      const name = `${method} ${status} ${route}`
      const child = children.get(name) ?? requests.labels(route, method, String(status))
      children.set(name, child)
      child.observe(seconds)
    },
    refused(code: string) {
      refusals.inc({ code })
    },
    unscanned() {
      unscanned.inc()
    },
    uploaded(bytes: number) {
      uploaded.inc(bytes)
    },
    contentType: registry.contentType,
    text: () => registry.metrics(),
  }
}

const RENDERER_GAUGES = [
  ['queued', 'Renderings that wait'],
  ['running', 'Renderings under way'],
  ['rendered', 'Renderings since the start'],
  ['cached_bytes', 'Bytes of rendered results on disk'],
] as const

const FIELDS = {
  queued: 'queued',
  running: 'running',
  rendered: 'rendered',
  cached_bytes: 'cachedBytes',
} as const satisfies Record<string, keyof RendererStats>
