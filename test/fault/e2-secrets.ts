/** E2: tokens have 128 bits of chance and more, and nothing that lies in the data directory lets anybody in. */
import { hash } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { PATHS } from '../../packages/protocol/src/index.ts'
import { type Inside, type Insider, insider, openInside } from './b-inside.ts'
import { row, type Stage, type Verdict } from './stage.ts'

const LEAST_BITS = 128
const HOUR_MS = 3_600_000
// An access token begins with the time of its issue, which is no chance and is left out of the count.
const TIME_LENGTH = 9

async function prove({ directory, full, defer }: Stage): Promise<Verdict> {
  const clock = { now: Date.UTC(2026, 0, 2) }
  const on = await openInside({ directory, now: () => clock.now, env: { ATTACHE_LOG_LEVEL: 'debug' } })
  defer(() => on.close())
  const own = await on.corporation('own')
  const wrong: string[] = []
  const tokens = await manyTokens(on, own, full ? 100_000 : 2000)
  const bits = Math.min(...tokens.map(bitsOf))
  if (bits < LEAST_BITS) wrong.push(`a token of ${bits} bits`)
  if (new Set(tokens).size !== tokens.length) wrong.push('a token twice')
  const skew = worstSkew(tokens)
  if (skew > 1.35) wrong.push(`a character comes ${skew.toFixed(2)} times as often as it should`)
  wrong.push(...(await lives(on, own, clock)))

  const pair = await issued(on, own)
  const later = await insider(on.ask, own)
  await later.link(await later.upload('秘.txt', Buffer.from('x')))
  const { credential } = await on.service.credentials.signerOf('own')
  const { accessKeySecret, securityToken = '' } = credential
  const secrets = {
    accessToken: pair.accessToken,
    refreshToken: pair.refreshToken,
    other: later.token,
    appSecurity: own.appSecurity,
    accessKeySecret,
    securityToken,
    rootSecret: on.service.stores.rootSecret.toString('latin1'),
  }
  // A token is nothing but chance, so its hash needs no key; what derives or opens more must not be found by its hash either.
  const keyed = { appSecurity: own.appSecurity, accessKeySecret, rootSecret: secrets.rootSecret }
  const found = search(directory, { ...secrets, ...bareHashes(keyed) }, on.log.join(''))
  wrong.push(...found)
  for (const line of wrong) console.log(line)
  const figure = `${tokens.length} tokens of ${bits} bits, no two alike; ${found.length} of ${Object.keys(secrets).length} secrets found in the data directory and the log, plain, hex, base64 or reversed, of ${Object.keys(keyed).join(', ')} no bare SHA-256, SHA-1 or MD5 either; a replaced pair died at once, an old one after 2 h`
  return { ok: wrong.length === 0, figure }
}

async function issued(
  { ask }: Inside,
  { appKey, appSecurity }: Insider,
): Promise<{ accessToken: string; refreshToken: string }> {
  return (await ask({ method: 'POST', url: PATHS.getAccessToken, payload: { appKey, appSecurity } })).json().value
}

async function manyTokens(on: Inside, own: Insider, count: number): Promise<string[]> {
  const tokens: string[] = []
  while (tokens.length < count) {
    const pairs = await Promise.all(Array.from({ length: 50 }, () => issued(on, own)))
    for (const { accessToken, refreshToken } of pairs) tokens.push(accessToken.slice(TIME_LENGTH), refreshToken)
  }
  return tokens
}

/** Six bits of each base64url character. */
function bitsOf(token: string): number {
  return /^[\w-]+$/.test(token) ? token.length * 6 : 0
}

/** How far the commonest character of any place is from its share. */
function worstSkew(tokens: readonly string[]): number {
  const counts = new Map<string, number>()
  for (const token of tokens) for (const letter of token) counts.set(letter, (counts.get(letter) ?? 0) + 1)
  const all = tokens.reduce((sum, { length }) => sum + length, 0)
  return (Math.max(...counts.values()) * 64) / all
}

async function lives(on: Inside, own: Insider, clock: { now: number }): Promise<string[]> {
  const wrong: string[] = []
  const usable = async (token: string) =>
    (await on.ask({ method: 'POST', url: `${PATHS.downloadUrls}?accessToken=${token}`, payload: [] })).statusCode ===
    200
  const refresh = (pair: { accessToken: string; refreshToken: string }) =>
    on.ask({
      method: 'POST',
      url: `${PATHS.refreshToken}?accessToken=${pair.accessToken}&refreshToken=${pair.refreshToken}&powerCode=219904`,
    })
  const old = await issued(on, own)
  const next = (await refresh(old)).json().value
  if (next.accessToken === old.accessToken || next.refreshToken === old.refreshToken)
    wrong.push('refresh left a half as it was')
  if (await usable(old.accessToken)) wrong.push('the replaced token works')
  if ((await refresh(old)).statusCode !== 403) wrong.push('the replaced pair can be refreshed again')
  if (!(await usable(next.accessToken))) wrong.push('the new token does not work')
  const short = await issued(on, own)
  clock.now += 2 * HOUR_MS - 1
  if (!(await usable(short.accessToken))) wrong.push('a token died before 2 h')
  clock.now += 2
  if (await usable(short.accessToken)) wrong.push('a token outlived 2 h')
  if ((await refresh(short)).statusCode !== 403) wrong.push('an expired token could be refreshed')
  return wrong
}

/** What anybody could make of a secret without a key of ours: nothing stored may be that. */
function bareHashes(secrets: Record<string, string>): Record<string, string> {
  const hashes: [string, string][] = []
  for (const [name, secret] of Object.entries(secrets)) {
    for (const [spelling, bytes] of [
      ['as text', Buffer.from(secret, 'latin1')],
      ['decoded', Buffer.from(secret, 'base64url')],
    ] as const) {
      for (const algorithm of ['sha256', 'sha1', 'md5'])
        hashes.push([`${algorithm} of ${name} ${spelling}`, hash(algorithm, bytes, 'buffer').toString('latin1')])
    }
  }
  return Object.fromEntries(hashes)
}

/** Where a secret stands in a file of the data directory but the root secret's own, or in the log. */
function search(directory: string, secrets: Record<string, string>, log: string): string[] {
  const places: [string, string][] = readdirSync(directory, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name !== 'root.secret')
    .map((entry) => [entry.name, readFileSync(join(entry.parentPath, entry.name)).toString('latin1')])
  places.push(['the log', log])
  const found: string[] = []
  for (const [name, secret] of Object.entries(secrets)) {
    const bytes = Buffer.from(secret, 'latin1')
    const decoded = Buffer.from(secret, 'base64url').toString('latin1')
    const spellings = [
      secret,
      decoded,
      bytes.toString('hex'),
      bytes.toString('base64').replace(/=+$/, ''),
      bytes.toString('base64url'),
      encodeURIComponent(secret),
      [...secret].reverse().join(''),
    ]
    for (const [place, text] of places)
      if (spellings.some((spelling) => spelling.length > 8 && text.includes(spelling)))
        found.push(`${name} in ${place}`)
  }
  return found
}

await row('E2', prove)
