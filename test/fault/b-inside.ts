/**
 * The service inside this process, on real stores: for rows that move its clock, count what it does, or ask it very often.
 * Requests go over TCP: what Fastify's `inject` would do passes by the plainest requests, which are answered before it.
 */
import assert from 'node:assert/strict'
import { Agent, request as httpRequest, type IncomingHttpHeaders } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Writable } from 'node:stream'
import { pino } from 'pino'
import { PATHS } from '../../packages/protocol/src/index.ts'
import { createApp } from '../../packages/server/src/commands/app.ts'
import { readConfig } from '../../packages/server/src/config.ts'
import { form } from '../../packages/server/src/service.fixture.ts'
import { createService, type Service, type ServiceOptions } from '../../packages/server/src/service.ts'
import type { Link, Ref, Uploaded } from '../server.ts'

export interface Asked {
  method?: string
  /** Path and query as they are sent. */
  url: string
  headers?: Record<string, string>
  /** An object is sent as JSON. */
  payload?: unknown
}

export interface Answer {
  asked: Asked
  statusCode: number
  headers: IncomingHttpHeaders
  rawPayload: Buffer
  body: string
  json(): ReturnType<JSON['parse']>
}

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
  /** Of loopback, where it listens. */
  port: number
  close(): Promise<void>
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
  await service.listen()
  const { port } = service.app.server.address() as AddressInfo
  const agent = new Agent({ keepAlive: true, maxSockets: 64 })
  const ask = (asked: Asked) => send(asked, { agent, port })
  return {
    service,
    log,
    ask,
    port,
    async close() {
      agent.destroy()
      await service.close()
    },
    async corporation(corporationId) {
      const facts = { corporationId, corporationName: `${corporationId}公司`, demo: false }
      const { appKey, appSecurity } = await createApp(service.stores, facts)
      return insider(ask, { corporationId, appKey, appSecurity })
    },
  }
}

function send(asked: Asked, { agent, port }: { agent: Agent; port: number }): Promise<Answer> {
  const { method = 'GET', url, headers = {}, payload } = asked
  const raw = payload === undefined || typeof payload === 'string' || payload instanceof Uint8Array
  const body = raw ? (payload ?? '') : JSON.stringify(payload)
  const type: Record<string, string> = raw ? {} : { 'content-type': 'application/json' }
  const length: Record<string, string> =
    payload === undefined ? {} : { 'content-length': String(Buffer.byteLength(body)) }
  return new Promise((resolve, reject) => {
    const options = {
      agent,
      port,
      host: '127.0.0.1',
      path: url,
      method,
      headers: { host: 'attache.test', ...type, ...length, ...headers },
    }
    const request = httpRequest(options, (response) => {
      const chunks: Buffer[] = []
      response.on('data', (chunk: Buffer) => chunks.push(chunk))
      response.on('error', reject)
      response.on('end', () => {
        const rawPayload = Buffer.concat(chunks)
        const text = rawPayload.toString()
        const { statusCode = 0, headers: answered } = response
        resolve({ asked, statusCode, headers: answered, rawPayload, body: text, json: () => JSON.parse(text) })
      })
    })
    request.on('error', reject)
    request.end(body)
  })
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
