/** E7: who calls is taken from X-Forwarded-For only where the call comes from a named proxy, and nothing else is taken from such headers. */
import { type Attache, GET_ACCESS_TOKEN, startAttache } from '../server.ts'
import { createCorporation } from '../verbs.ts'
import { row, type Stage, type Verdict } from './stage.ts'

const LIMIT = 20

interface Way {
  what: string
  proxies: string
  /** Of attempt `n`. */
  forwarded(n: number): string
  /** Whether all attempts count as those of one caller. */
  one: boolean
}

const WAYS: Way[] = [
  { what: 'no proxy is named', proxies: '', forwarded: (n) => `203.0.113.${n}`, one: true },
  { what: 'another proxy is named', proxies: '10.0.0.0/8,fd00::/8', forwarded: (n) => `203.0.113.${n}`, one: true },
  { what: 'the proxy is named', proxies: '127.0.0.0/8', forwarded: (n) => `203.0.113.${n}`, one: false },
  {
    what: 'the proxy is named and its caller makes up more',
    proxies: '127.0.0.0/8',
    forwarded: (n) => `198.51.100.${n}, 203.0.113.9`,
    one: true,
  },
  {
    what: 'the proxy is named and its caller poses as another proxy',
    proxies: '127.0.0.0/8,10.0.0.1',
    forwarded: (n) => `198.51.100.${n}, 203.0.113.9, 10.0.0.1`,
    one: true,
  },
]

async function prove({ defer }: Stage): Promise<Verdict> {
  const wrong: string[] = []
  for (const way of WAYS) {
    const attache = await startAttache({ env: way.proxies ? { ATTACHE_TRUSTED_PROXIES: way.proxies } : {} })
    defer(() => attache.stop())
    const limited = await attemptsUntilLimited(attache, way)
    if (way.one !== (limited === LIMIT + 1)) wrong.push(`${way.what}: limited at ${limited}`)
    wrong.push(...(await otherHeaders(attache, way)))
  }
  for (const line of wrong) console.log(line)
  return {
    ok: wrong.length === 0,
    figure: `${WAYS.length} ways of forwarding: ${wrong.length} in which a caller changed who it is, where links lead, or saw what is for this machine alone`,
  }
}

async function attemptsUntilLimited(attache: Attache, { forwarded }: Way): Promise<number> {
  const { appKey } = await createCorporation(attache, '被猜')
  for (let n = 1; n <= LIMIT + 5; n++) {
    const headers = { 'content-type': 'application/json', 'x-forwarded-for': forwarded(n) }
    const response = await fetch(attache.url + GET_ACCESS_TOKEN, {
      method: 'POST',
      headers,
      body: JSON.stringify({ appKey, appSecurity: 'wrong' }),
    })
    await response.arrayBuffer()
    if (response.status === 429) return n
  }
  return Number.POSITIVE_INFINITY
}

/** Forwarded hosts and schemes go nowhere; the demo corporation and the figures are for this machine, not for whom it forwards. */
async function otherHeaders(attache: Attache, { what, forwarded }: Way): Promise<string[]> {
  const wrong: string[] = []
  const posing = {
    'x-forwarded-host': 'evil.example',
    'x-forwarded-proto': 'https',
    'x-forwarded-port': '1',
    forwarded: 'for=203.0.113.9;host=evil.example',
  }
  const uploaded = await attache.upload('x.txt', Buffer.from('x'))
  const token = await attache.token()
  const ask = async (path: string, init: RequestInit) => (await fetch(attache.url + path, init)).text()
  const body = JSON.stringify([{ id: uploaded.fileId, key: uploaded.key, expiration: 10 }])
  const links = await ask(`/api/openapi/v2/attachment/downloadurls?accessToken=${token}`, {
    method: 'POST',
    headers: { ...posing, 'content-type': 'application/json' },
    body,
  })
  const location = await ask('/api/openapi/v2/location', { headers: posing })
  if (/evil|https:/.test(links + location)) wrong.push(`${what}: links or location lead to ${location}`)
  const { appKey, appSecurity } = attache
  for (const headers of [{ 'x-forwarded-for': forwarded(1) }, { forwarded: 'for=203.0.113.9' }] as Record<
    string,
    string
  >[]) {
    const demo = await fetch(attache.url + GET_ACCESS_TOKEN, {
      method: 'POST',
      headers: { ...headers, 'content-type': 'application/json' },
      body: JSON.stringify({ appKey, appSecurity }),
    })
    await demo.arrayBuffer()
    if (demo.status !== 403)
      wrong.push(`${what}: the demo corporation was let in for ${JSON.stringify(headers)}: ${demo.status}`)
    const metrics = await fetch(`${attache.url}/metrics`, { headers })
    await metrics.arrayBuffer()
    if (metrics.status !== 404)
      wrong.push(`${what}: /metrics was told to ${JSON.stringify(headers)}: ${metrics.status}`)
  }
  const own = await fetch(`${attache.url}/metrics`)
  await own.arrayBuffer()
  if (own.status !== 200) wrong.push(`${what}: /metrics is refused to this machine`)
  return wrong
}

await row('E7', prove)
