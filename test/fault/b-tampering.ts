/** Changes to a signed URL, each of one kind, and what a URL means to a reader that shares nothing with the service. */
import {
  again,
  at,
  first,
  namesIn,
  once,
  otherCase,
  pick,
  type Random,
  renamed,
  replaced,
  some,
  splice,
  swap,
  taken,
  valueIn,
  withKey,
  without,
} from './b-query.ts'
import { KINDS_V4 } from './b-tampering-v4.ts'

/** A request that a stranger makes out of a link. */
export interface Attempt {
  kind: string
  method: string
  target: string
  headers: Record<string, string>
}

/** What a forger may have at hand besides the link itself. */
export interface Loot {
  bucket: string
  host: string
  key: string
  /** Of another attachment of the same corporation. */
  otherKey: string
  /** A link of another corporation, whole; signed by the same version as the link, as the sibling is. */
  foreignTarget: string
  /** The other link of the same attachment. */
  sibling: string
}

export type Kind = (target: string, loot: Loot, random: Random) => Partial<Attempt>

export function isV4(target: string): boolean {
  return target.includes('x-oss-signature-version=')
}

/** One attempt of the kind whose turn it is. */
export function tamper(target: string, loot: Loot, { random, turn }: { random: Random; turn: number }): Attempt {
  const kinds = isV4(target) ? OF_V4 : OF_V1
  const [kind, change] = kinds[turn % kinds.length] as [string, Kind]
  const base = { kind, method: 'GET', target, headers: { host: loot.host } }
  return { ...base, ...change(target, loot, random) }
}

/** Every bit of every character behind the bucket, flipped alone. */
export function* flips(target: string, loot: Loot): Generator<Attempt> {
  for (let at = 1; at < target.length; at++) {
    for (let bit = 0; bit < 7; bit++) {
      const flipped = String.fromCharCode(target.charCodeAt(at) ^ (1 << bit))
      const changed = target.slice(0, at) + flipped + target.slice(at + 1)
      yield { kind: 'a bit', method: 'GET', target: changed, headers: { host: loot.host } }
    }
  }
}

/** Whether two requests ask for the same by the rules of docs/contract.md: first of a name, decoded once, order and unsigned names left out. */
export function saysTheSame(a: Attempt, b: Attempt, { bucket, key }: Loot): boolean {
  if (a.method !== b.method || Object.keys(a.headers).some((name) => name !== 'host')) return false
  const v4 = isV4(b.target)
  if (v4 && coversHost(b.target) && a.headers['host'] !== b.headers['host']) return false
  return objectsOf(a.target, bucket).has(key) && meaningOf(a.target, v4) === meaningOf(b.target, v4)
}

function coversHost(target: string): boolean {
  return once(valueIn(target, 'x-oss-additional-headers')).split(';').includes('host')
}

const SUB_RESOURCES = new Set(
  'security-token response-content-type response-content-language response-expires response-cache-control response-content-disposition response-content-encoding acl uploads uploadId partNumber append position delete symlink tagging versionId versions callback callback-var objectMeta img style styleName stat policy cors logging website referer lifecycle restore location live status vod comp qos qosInfo startTime endTime cname bucketInfo encryption versioning requestPayment inventory inventoryId continuation-token worm wormId wormExtend replication replicationLocation replicationProgress transferAcceleration metaQuery resourceGroup regionList cloudboxes asyncFetch sequential'.split(
    ' ',
  ),
)
const GIVEN = ['Expires', 'OSSAccessKeyId', 'Signature']

/** V4 covers every parameter. */
function meaningOf(target: string, v4: boolean): string {
  const mark = target.indexOf('?')
  const query = new Map<string, string>()
  for (const pair of mark === -1 ? [] : target.slice(mark + 1).split('&')) {
    if (pair === '') continue
    const [name = '', ...rest] = pair.split('=')
    const known = once(name.replaceAll('+', ' '))
    if (!query.has(known)) query.set(known, once(rest.join('=').replaceAll('+', ' ')))
  }
  const counted = [...query].filter(
    ([name]) => v4 || GIVEN.includes(name) || name.startsWith('x-oss-') || SUB_RESOURCES.has(name),
  )
  // Base64 holds no space: where one stands a plus was meant.
  const plus = (name: string, value: string) =>
    !v4 && (name === 'Signature' || name === 'security-token') ? value.replaceAll(' ', '+') : value
  return JSON.stringify(counted.map(([name, value]) => [name, plus(name, value)]).sort())
}

/** Keys in `bucket` that the path may name. */
function objectsOf(target: string, bucket: string): Set<string> {
  const raw = target.split('?', 1)[0] ?? ''
  const keys = new Set<string>()
  for (const spelling of [raw, raw.replaceAll('+', '%20')]) {
    const path = once(spelling).replace(/^\//, '')
    if (spelling.includes('%') && path === spelling.replace(/^\//, '')) continue
    keys.add(path)
    if (path.startsWith(`${bucket}/`)) keys.add(path.slice(bucket.length + 1))
  }
  return keys
}

const CHARACTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.~%+=&?/:;,@!$()*'"

const OF_BOTH: [string, Kind][] = [
  ['a character', (target, _, random) => ({ target: splice(target, at(target, random), 1, pick(CHARACTERS, random)) })],
  ['a character less', (target, _, random) => ({ target: splice(target, at(target, random), 1, '') })],
  [
    'a character more',
    (target, _, random) => ({ target: splice(target, at(target, random), 0, pick(CHARACTERS, random)) }),
  ],
  ['two characters swapped', (target, _, random) => swap(target, at(target, random))],
  ['a letter in the other case', (target, _, random) => ({ target: otherCase(target, at(target, random)) })],
  ['a parameter missing', (target, _, random) => ({ target: without(target, some(namesIn(target), random)) })],
  ['a parameter empty', (target, _, random) => ({ target: replaced(target, some(namesIn(target), random), '') })],
  ['a parameter before itself', (target, _, random) => ({ target: first(target, some(namesIn(target), random), 'x') })],
  ['a parameter renamed', (target, _, random) => renamed(target, some(namesIn(target), random))],
  ['a name in the other case', (target, _, random) => renamed(target, some(namesIn(target), random), true)],
  ['a value encoded again', (target, _, random) => again(target, some(namesIn(target), random))],
  ['a value of the sibling', (target, { sibling }, random) => taken(target, sibling, some(namesIn(sibling), random))],
  [
    'a value of a stranger',
    (target, { foreignTarget }, random) => taken(target, foreignTarget, some(namesIn(foreignTarget), random)),
  ],
  ['another key', (target, { key, otherKey }) => ({ target: withKey(target, key, otherKey) })],
  [
    'a key spelt otherwise',
    (target, { key }, random) => ({ target: withKey(target, key, some(SPELLINGS, random)(key)) }),
  ],
  [
    'another bucket',
    (target, { bucket }, random) => ({
      target: target.replace(
        `/${bucket}/`,
        some(['/other/', '//', '/', '/attache2/', `/${bucket}/${bucket}/`, '/Attache/'], random),
      ),
    }),
  ],
  [
    'a bucket in the host',
    (target, { bucket, host }, random) => ({
      target: some([target, target.replace(`/${bucket}/`, '/')], random),
      headers: { host: `other.${host}` },
    }),
  ],
  ['an operation more', (target, _, random) => ({ target: `${target}&${some(ADDED, random)}` })],
  ['an operation more, in front', (target, _, random) => ({ target: target.replace('?', `?${some(ADDED, random)}&`) })],
  [
    'another thumbnail',
    (target, _, random) => ({
      target: replaced(
        target,
        'x-oss-process',
        some(
          ['image/resize,w_121,h_120', 'image/resize,w_120,h_120/quality,q_90', 'image/info', 'image/format,png'],
          random,
        ),
      ),
    }),
  ],
  ['another method', (_target, _, random) => ({ method: some(['PUT', 'DELETE', 'POST', 'OPTIONS', 'PATCH'], random) })],
]

const OF_V1: [string, Kind][] = [
  ...OF_BOTH,
  [
    'all but the signature of a stranger',
    (target, { foreignTarget }) => ({ target: replaced(foreignTarget, 'Signature', valueIn(target, 'Signature')) }),
  ],
  [
    'another time',
    (target, _, random) => ({
      target: first(target, 'Expires', some(TIMES, random)(valueIn(target, 'Expires')), true),
    }),
  ],
  [
    'another signature',
    (target, _, random) => ({
      target: first(target, 'Signature', some(SIGNATURES, random)(once(valueIn(target, 'Signature'))), true),
    }),
  ],
  ['a header that counts', (_target, { host }, random) => ({ headers: { host, ...some(HEADERS, random) } })],
  [
    'in the header instead',
    (target, { host, key, bucket }) => asHeader(target, { host, path: `/${bucket}/${encodeURIComponent(key)}` }),
  ],
]

const OF_V4: [string, Kind][] = [...OF_BOTH, ...KINDS_V4]

const ADDED = `x-oss-process=image/resize,w_1 x-oss-process=image/info x-oss-process= response-content-type=text/html
  response-content-disposition=inline response-cache-control=public x-oss-ac-source-ip=0.0.0.0 x-oss-anything=1 acl uploads delete
  tagging symlink versionId=1 x-oss-signature-version=OSS4-HMAC-SHA256 security-token=x x-oss-security-token=x x-oss-traffic-limit=1 x-oss-attache-epoch=1`.split(
  /\s+/,
)

// Unicode's other spellings of a letter, other escapes, other separators.
const SPELLINGS: ((key: string) => string)[] = [
  (key) => encodeURIComponent(key.normalize('NFD')),
  (key) => encodeURIComponent(key.normalize('NFC')),
  (key) => encodeURIComponent(key.normalize('NFKC')),
  (key) => encodeURIComponent(encodeURIComponent(key)),
  (key) => encodeURIComponent(key).replaceAll('%20', '+').replaceAll('%2B', '%20'),
  (key) => encodeURIComponent(key).replace('-', '%2F'),
  (key) => encodeURIComponent(key).replace('-', '%252D'),
  (key) => `.%2F${encodeURIComponent(key)}`,
  (key) => `x/../${encodeURIComponent(key)}`,
  (key) => `${encodeURIComponent(key)}%00`,
  (key) => `${encodeURIComponent(key)}/`,
  (key) => `${encodeURIComponent(key)}%3Fx-oss-process=image/info`,
  (key) => encodeURIComponent(key).toUpperCase(),
  (key) => encodeURIComponent(key).toLowerCase(),
  (key) => ` ${encodeURIComponent(key)}`,
]

const TIMES: ((expires: string) => string)[] = [
  (expires) => String(Number(expires) + 1),
  (expires) => String(Number(expires) - 1),
  ...[
    '-1',
    '0',
    '2147483648',
    '9007199254740993',
    '9'.repeat(400),
    '4e9',
    '0xffffffff',
    'Infinity',
    'NaN',
    '',
    ' ',
  ].map((time) => () => time),
  (expires) => `0${expires}`,
  (expires) => `+${expires}`,
  (expires) => `%20${expires}`,
  (expires) => `${expires}%20`,
  (expires) => `${expires}.0`,
  (expires) => `${expires}e0`,
  (expires) => `${expires}%00`,
  (expires) => expires.replace(/\d/g, (digit) => encodeURIComponent(String.fromCodePoint(0xff10 + Number(digit)))),
]

const SIGNATURES: ((signature: string) => string)[] = [
  (signature) => encodeURIComponent(signature.slice(0, -1)),
  (signature) => encodeURIComponent(signature.slice(1)),
  (signature) => encodeURIComponent(`${signature}=`),
  (signature) => encodeURIComponent(`${signature}A`),
  (signature) => encodeURIComponent(`${signature}\n`),
  (signature) => encodeURIComponent(`${signature} `),
  (signature) => encodeURIComponent(` ${signature}`),
  (signature) => encodeURIComponent(signature.toLowerCase()),
  (signature) => encodeURIComponent(`-${signature.slice(1).replaceAll('+', '-').replaceAll('/', '_')}`),
  (signature) => Buffer.from(signature, 'base64').toString('hex'),
  (signature) => encodeURIComponent(lastBits(signature)),
  (signature) =>
    encodeURIComponent(signature.replace(/^./, (letter) => String.fromCharCode(letter.charCodeAt(0) + 0xfee0))),
  () => 'AAAAAAAAAAAAAAAAAAAAAAAAAAA%3D',
  () => '%00',
  () => '',
]

const HEADERS: Record<string, string>[] = [
  { 'content-md5': '1B2M2Y8AsgTpgAmY7PhCfg==' },
  { 'x-oss-process': 'image/info' },
  { 'x-oss-date': 'Fri, 02 Jan 2026 03:04:05 GMT' },
  { 'x-oss-security-token': 'x' },
  { authorization: 'OSS x:y' },
  { authorization: 'Bearer x' },
]

/** The last letter before the padding holds two bits that no byte needs: another spelling of the same bytes. */
function lastBits(signature: string): string {
  const letters = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/'
  const last = letters.indexOf(signature.at(-2) ?? 'A')
  return `${signature.slice(0, -2)}${letters[last ^ 1]}=`
}

function asHeader(target: string, { host, path }: { host: string; path: string }): Partial<Attempt> {
  const value = (name: string) => once(valueIn(target, name))
  return {
    target: path,
    headers: {
      host,
      date: value('Expires'),
      authorization: `OSS ${value('OSSAccessKeyId')}:${value('Signature')}`,
      'x-oss-security-token': value('security-token'),
    },
  }
}
