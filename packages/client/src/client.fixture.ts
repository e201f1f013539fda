import { randomBytes } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestService, testService } from '../../server/src/service.fixture.ts'
import type { ClientOptions } from './client.ts'
import { systemClock } from './clock.ts'
import { type FaultProxy, faultProxy } from './fault-proxy.fixture.ts'
import { createClient, type NodeClient } from './node.ts'
import type { LogEntry } from './transport.ts'

/** A real service, a real proxy before it, and a client that speaks through the proxy; links lead through it as well. */
export interface Stage extends AsyncDisposable {
  service: TestService
  proxy: FaultProxy
  client: NodeClient
  /** An empty directory, removed in the end. */
  directory: string
  log: LogEntry[]
  /** Pauses that the client made; they take no time. */
  pauses: number[]
  another(options?: Partial<ClientOptions>): NodeClient
}

export const UPLOAD = /\/attachment\/upload/
export const LINKS = /\/attachment\/downloadurls/
export const TOKEN = /\/auth\/getAccessToken/
/** The data plane. */
export const BYTES = /^\/attache\//

export async function stage({
  env = {},
  ...options
}: Partial<ClientOptions> & { env?: Record<string, string> } = {}): Promise<Stage> {
  await using opened = new AsyncDisposableStack()
  const proxy = opened.use(await faultProxy())
  const service = opened.use(await testService({ ATTACHE_PORT: '0', ATTACHE_PUBLIC_URL: proxy.url, ...env }))
  service.clock.now = Date.now()
  await service.service.listen()
  const { port } = service.service.app.server.address() as AddressInfo
  proxy.pass(`http://127.0.0.1:${port}`)
  const directory = await mkdtemp(join(tmpdir(), 'attache-client-'))
  opened.defer(() => rm(directory, { recursive: true, force: true }))
  const log: LogEntry[] = []
  const pauses: number[] = []
  const clock = {
    now: () => service.clock.now,
    async sleep(milliseconds: number, signal?: AbortSignal) {
      pauses.push(milliseconds)
      await systemClock.sleep(0, signal)
    },
  }
  const { appKey, appSecurity } = service.app
  const another = (own: Partial<ClientOptions> = {}) =>
    createClient({
      baseUrl: proxy.url,
      appKey,
      appSecurity,
      clock,
      logger: (entry) => log.push(entry),
      ...options,
      ...own,
    })
  const kept = opened.move()
  return {
    service,
    proxy,
    client: another(),
    directory,
    log,
    pauses,
    another,
    [Symbol.asyncDispose]: () => kept.disposeAsync(),
  }
}

export function someBytes(length: number): Uint8Array<ArrayBuffer> {
  return new Uint8Array(randomBytes(length))
}
