import assert from 'node:assert/strict'
import { subscribe } from 'node:diagnostics_channel'
import { request as ask, type IncomingHttpHeaders, type OutgoingHttpHeaders } from 'node:http'
import { buffer } from 'node:stream/consumers'
import { PATHS } from '@attache/protocol'
import { type TestService, testService } from '../service.fixture.ts'

export interface Asked {
  method: 'GET' | 'POST'
  url: string
  headers?: OutgoingHttpHeaders
  body?: string
}

export interface Answer {
  status: number
  headers: IncomingHttpHeaders
  body: Buffer
}

/** A service that is asked in both ways. It listens until it is disposed of. */
export async function plainStage(env: Record<string, string> = {}) {
  const at = await testService({ ATTACHE_PORT: '0', ...env })
  await at.service.listen()
  const base = `http://127.0.0.1:${portOf(at)}`

  /** Over a socket, where what is plain is answered before the frame. */
  function bySocket({ method, url, headers = {}, body }: Asked): Promise<Answer> {
    return new Promise((resolve, reject) => {
      const request = ask(base + url, { method, headers: { host: 'attache.test', ...headers } }, async (response) => {
        resolve({ status: response.statusCode ?? 0, headers: response.headers, body: await buffer(response) })
      })
      request.on('error', reject)
      request.end(body)
    })
  }

  /** Through the frame alone. */
  async function byRoute({ method, url, headers = {}, body }: Asked): Promise<Answer> {
    const {
      statusCode,
      headers: found,
      rawPayload,
    } = await at.ask({
      method,
      url,
      headers: { host: 'attache.test', ...headers } as Record<string, string>,
      ...(body === undefined ? {} : { payload: body }),
    })
    return { status: statusCode, headers: found as IncomingHttpHeaders, body: rawPayload }
  }

  async function same(asked: Asked): Promise<Answer> {
    const [socket, route] = [await bySocket(asked), await byRoute(asked)]
    assert.deepEqual(withoutIds(socket), withoutIds(route), `${asked.method} ${asked.url}`)
    return socket
  }

  /** The lines of these requests, in this order; they come once an answer has left, which its reader may know before. */
  async function logged(ids: readonly unknown[]) {
    for (let left = 500; left > 0; left--) {
      const found = ids.map((id) => lines().find(({ reqId }) => reqId === id))
      if (!found.includes(undefined)) return found
      await new Promise((resolve) => setTimeout(resolve, 10))
    }
    throw new Error('a request was not logged')
  }

  const lines = () => at.log.map((line) => JSON.parse(line)).filter(({ msg }) => msg === 'request')
  const toLinks = (body: unknown, token = at.token): Asked => ({
    method: 'POST',
    url: `${PATHS.downloadUrls}?accessToken=${token}`,
    headers: { 'content-type': 'application/json' },
    body: typeof body === 'string' ? body : JSON.stringify(body),
  })

  return { at, base, bySocket, byRoute, same, logged, lines, toLinks }
}

export const toToken = (body: unknown): Asked => ({
  method: 'POST',
  url: PATHS.getAccessToken,
  headers: { 'content-type': 'application/json' },
  body: typeof body === 'string' ? body : JSON.stringify(body),
})

let met = 0
subscribe('tracing:fastify.request.handler:start', () => met++)

/** How many requests meet the frame's handler meanwhile. */
export async function meeting(work: () => Promise<unknown>): Promise<number> {
  const before = met
  await work()
  return met - before
}

const OF_A_REQUEST = ['date', 'connection', 'keep-alive', 'x-request-id', 'x-oss-request-id', 'transfer-encoding']

export function withoutIds({ status, headers, body }: Answer) {
  const rest = Object.entries(headers).filter(([name]) => !OF_A_REQUEST.includes(name))
  const text = body.toString('latin1').replace(/[0-9A-F]{24}/g, 'ID')
  return { status, headers: Object.fromEntries(rest.toSorted(([a], [b]) => (a < b ? -1 : 1))), text }
}

function portOf({ service }: TestService): number {
  const address = service.app.server.address()
  return typeof address === 'object' && address !== null ? address.port : 0
}
