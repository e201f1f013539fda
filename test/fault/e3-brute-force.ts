/** E3: nobody guesses a token, who tries secrets is stopped, who has the right one is not, and the memory of it all is bounded. */
import { randomBytes } from 'node:crypto'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { PATHS } from '../../packages/protocol/src/index.ts'
import type { AppParts } from '../../packages/server/src/app.ts'
import { type Inside, type Insider, openInside } from './b-inside.ts'
import { row, type Stage, type Verdict } from './stage.ts'

const BAD_A_MINUTE = 20
/** More than are remembered, and as many again: a memory that ends keeps no more of those. */
const OFFENDERS = 150_000
const MOST_GROWTH_MB = 128
const MOST_MORE_MB = 4
const MEGABYTE = 1_000_000
const THROUGH_THE_DOOR = 50

async function prove({ directory, random, full, defer }: Stage): Promise<Verdict> {
  const clock = { now: Date.UTC(2026, 0, 2) }
  let tokens: AppParts['tokens'] | undefined
  const extend = (parts: AppParts) => {
    tokens = parts.tokens
    return { owns: () => false, attach() {} }
  }
  const on = await openInside({
    directory,
    extend,
    now: () => clock.now,
    env: { ATTACHE_LOG_LEVEL: 'silent', ATTACHE_TRUSTED_PROXIES: '127.0.0.0/8' },
  })
  defer(() => on.close())
  const own = await on.corporation('own')
  const guesses = full ? 1_000_000 : 100_000
  if (tokens === undefined) throw new Error('the service has not been built')
  const room = { on, tokens }
  const hits = await guess(room, { guessed: guessed(own, random), count: guesses })
  const { wrong, limited } = await badSecrets(on, own, clock)
  const before = memory()
  await manyOffenders(room, { from: 0, count: OFFENDERS })
  const half = memory()
  await manyOffenders(room, { from: OFFENDERS, count: OFFENDERS })
  const [grown, more] = [half - before, memory() - half]
  for (const line of wrong) console.log(line)
  const figure = `${hits} hits in ${guesses} tokens; bad secret number ${limited} of a minute answered 429 with Retry-After, right ones and others at that address never; ${grown.toFixed(0)} MB for ${OFFENDERS} offenders, ${more.toFixed(1)} MB more for twice as many`
  const bounded = grown <= MOST_GROWTH_MB && more <= MOST_MORE_MB
  return { ok: hits === 0 && wrong.length === 0 && limited === BAD_A_MINUTE + 1 && bounded, figure }
}

/** Random ones, and true ones with one character changed, cut or doubled. */
function* guessed({ token }: Insider, random: () => number): Generator<string> {
  const letters = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'
  for (;;) {
    yield randomBytes(24).toString('base64url')
    const at = Math.floor(random() * token.length)
    const other = letters[(letters.indexOf(token[at] ?? '') + 1 + Math.floor(random() * 62)) % 64] ?? ''
    yield token.slice(0, at) + other + token.slice(at + 1)
    yield token.slice(0, at)
    yield `${token}${other}`
    yield token === token.toUpperCase() ? token.toLowerCase() : token.toUpperCase()
  }
}

interface Room {
  on: Inside
  /** Behind the routes: what they ask for every call. */
  tokens: AppParts['tokens']
}

async function guess(
  { on, tokens }: Room,
  { guessed, count }: { guessed: Generator<string>; count: number },
): Promise<number> {
  let hits = 0
  for (let done = 0; done < count; done++) {
    const token: string = guessed.next().value
    const refused = await tokens.authenticate(token).then(
      () => false,
      ({ code }) => code === 'Unauthorized',
    )
    if (!refused) hits++
    if (done % THROUGH_THE_DOOR !== 0) continue
    const { statusCode } = await on.ask({ method: 'GET', url: `${PATHS.document}?accessToken=${token}&flowId=x` })
    if (statusCode !== 403) hits++
  }
  return hits
}

function tryPair({ ask }: Inside, pair: { appKey: string; appSecurity: string }, from: string) {
  return ask({ method: 'POST', url: PATHS.getAccessToken, payload: pair, headers: { 'x-forwarded-for': from } })
}

async function badSecrets(
  on: Inside,
  own: Insider,
  clock: { now: number },
): Promise<{ wrong: string[]; limited: number }> {
  const wrong: string[] = []
  const { appKey, appSecurity } = own
  const bad = (from = '203.0.113.1') =>
    tryPair(on, { appKey, appSecurity: randomBytes(32).toString('base64url') }, from)
  const check = (what: string, held: boolean) => held || wrong.push(what)
  let limited = 0
  for (let n = 1; n <= 2 * BAD_A_MINUTE && limited === 0; n++) {
    const answer = await bad()
    if (answer.statusCode !== 429) continue
    limited = n
    const seconds = Number(answer.headers['retry-after'])
    check(`Retry-After ${seconds}`, seconds >= 1 && seconds <= 60)
  }
  check(
    'the right secret at the same address is refused',
    (await tryPair(on, { appKey, appSecurity }, '203.0.113.1')).statusCode === 200,
  )
  check('another address is limited', (await bad('203.0.113.2')).statusCode === 403)
  const neighbour = await on.corporation('neighbour')
  check('another app at the same address is refused', (await tryPair(on, neighbour, '203.0.113.1')).statusCode === 200)
  check('tokens given before are refused', (await own.call(PATHS.downloadUrls, [])).statusCode === 200)
  check('the limit ends before its minute', (await bad()).statusCode === 429)
  clock.now += 60_001
  check('the limit does not end after a minute', (await bad()).statusCode === 403)
  return { wrong, limited }
}

/** Each an appKey of its own, as long as may be, from an address of its own. */
async function manyOffenders({ tokens }: Room, { from, count }: { from: number; count: number }): Promise<void> {
  for (let id = from; id < from + count; id++) {
    const origin = { address: `2001:db8::${(id >> 16).toString(16)}:${(id & 0xffff).toString(16)}`, local: false }
    await tokens.issue(String(id).padStart(256, 'x'), 'x', origin).catch(() => {})
  }
}

/** In megabytes. */
function memory(): number {
  setFlagsFromString('--expose-gc')
  runInNewContext('gc')()
  return process.memoryUsage().heapUsed / MEGABYTE
}

await row('E3', prove)
