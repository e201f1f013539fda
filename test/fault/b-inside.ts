/** The service inside this process, on real stores: for rows that move its clock, count what it does, or ask it very often. */
import assert from 'node:assert/strict'
import type { AddressInfo } from 'node:net'
import { Writable } from 'node:stream'
import { pino } from 'pino'
import { PATHS } from '../../packages/protocol/src/index.ts'
import { createApp } from '../../packages/server/src/commands/app.ts'
import { readConfig } from '../../packages/server/src/config.ts'
import { createService, type Service, type ServiceOptions } from '../../packages/server/src/service.ts'
import { form } from '../../packages/server/src/service.fixture.ts'
import type { Link, Ref, Uploaded } from '../server.ts'

export type Asked = Parameters<Service['app']['inject']>[0]
export type Answer = Awaited<ReturnType<Service['app']['inject']>>

export interface InsideOptions extends Pick<ServiceOptions, 'now' | 'open' | 'extend'> {
  directory: string
  env?: Record<string, string>
}

/** A corporation of the service, and what it does. */
export interface Insider {
  corporationId: string
  appKey: string
  appSecurity: string
  token: string
  call(path: string, body?: unknown, method?: 'GET' | 'POST' | 'PUT'): Promise<Answer>
  upload(name: string, bytes: Uint8Array): Promise<Uploaded>
  links(refs: readonly Ref[]): Promise<Link[]>
  /** The path and query of both links. */
  link(uploaded: Uploaded, expiration?: number): Promise<{ url: string; thumbUrl: string }>
}

export interface Inside {
  service: Service
  log: string[]
  ask(asked: Asked): Promise<Answer>
  corporation(id: string): Promise<Insider>
  /** Listens on a free port of loopback. */
  port(): Promise<number>
}

const URL = 'http://attache.test'

export async function openInside({ directory, env = {}, ...options }: InsideOptions): Promise<Inside> {
  const log: string[] = []
  const sink = new Writable({
    write(line, _encoding, done) {
      log.push(String(line))
      done()
    },
  })
  const config = readConfig({ ATTACHE_DATA: directory, ATTACHE_PUBLIC_URL: URL, ATTACHE_PORT: '0', ...env })
  const logger = pino({ level: config.logLevel === 'info' ? 'warn' : config.logLevel }, sink)
  const service = await createService({ config, logger, demoAllowed: false, ...options })
  const ask = (asked: Asked) => service.app.inject(asked)
  return {
    service,
    log,
    ask,
    async corporation(corporationId) {
      const facts = { corporationId, corporationName: `${corporationId}公司`, demo: false }
      const { appKey, appSecurity } = await createApp(service.stores, facts)
      return insider(ask, { corporationId, appKey, appSecurity })
    },
    async port() {
      await service.listen()
      return (service.app.server.address() as AddressInfo).port
    },
  }
}

export async function insider(
  ask: Inside['ask'],
  facts: Pick<Insider, 'corporationId' | 'appKey' | 'appSecurity'>,
): Promise<Insider> {
  const { appKey, appSecurity } = facts
  const issued = await ask({ method: 'POST', url: PATHS.getAccessToken, payload: { appKey, appSecurity } })
  assert.equal(issued.statusCode, 200, issued.body)
  const token: string = issued.json().value.accessToken
  const address = (path: string) => `${path}${path.includes('?') ? '&' : '?'}accessToken=${token}`

  async function links(refs: readonly Ref[]): Promise<Link[]> {
    const answer = await call(PATHS.downloadUrls, refs)
    assert.equal(answer.statusCode, 200, answer.body)
    return answer.json()
  }

  function call(path: string, body?: unknown, method: 'GET' | 'POST' | 'PUT' = 'POST'): Promise<Answer> {
    if (body === undefined) return ask({ method, url: address(path) })
    const headers = { 'content-type': 'application/json' }
    return ask({ method, url: address(path), headers, payload: typeof body === 'string' ? body : JSON.stringify(body) })
  }

  return {
    ...facts,
    token,
    call,
    links,
    async upload(name, bytes) {
      const parts = form([
        { field: 'name', value: name },
        { field: 'file', value: bytes },
      ])
      const answer = await ask({ method: 'POST', url: address(PATHS.upload), ...parts })
      assert.equal(answer.statusCode, 200, answer.body)
      return answer.json().value
    },
    async link({ fileId, key }, expiration = 1000) {
      const [link] = await links([{ id: fileId, key, expiration }])
      assert.ok(link, `no link for ${key}`)
      return { url: link.url.replace(URL, ''), thumbUrl: link.thumbUrl.replace(URL, '') }
    },
  }
}
