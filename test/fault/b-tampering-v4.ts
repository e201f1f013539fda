/** What can be changed of a link that is signed by OSS4-HMAC-SHA256 alone: its dates, scope, headers and hexadecimal signature. */
import { first, once, type Random, replaced, some, valueIn } from './b-query.ts'
import type { Attempt, Kind } from './b-tampering.ts'

const DATE = 'x-oss-date'
const EXPIRES = 'x-oss-expires'
const CREDENTIAL = 'x-oss-credential'
const SIGNATURE = 'x-oss-signature'
const ADDITIONAL = 'x-oss-additional-headers'
const VERSION = 'x-oss-signature-version'

type Change = (value: string) => string

/** The parameter holds what its change makes of its decoded value, in place of the true one or in front of it. */
function changed(name: string, changes: readonly Change[]): Kind {
  return (target, _, random) => {
    const value = encodeURIComponent(some(changes, random)(once(valueIn(target, name))))
    return { target: first(target, name, value, random() < 0.8) }
  }
}

/** Of the same credential: id, day, region, product and end. */
function scoped(at: number, put: Change): Change {
  return (credential) =>
    credential
      .split('/')
      .map((part, n) => (n === at ? put(part) : part))
      .join('/')
}

function seconds(date: string, by: number): string {
  const [, year, month, day, hour, minute, second] = /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/.exec(date) ?? []
  const at = Date.parse(`${year}-${month}-${day}T${hour}:${minute}:${second}Z`) + by * 1000
  return new Date(at).toISOString().replace(/[-:]|\.\d+/g, '')
}

const DATES: Change[] = [
  (date) => seconds(date, 1),
  (date) => seconds(date, -1),
  (date) => seconds(date, 600),
  (date) => seconds(date, 86_400),
  (date) => seconds(date, -86_400),
  (date) => date.toLowerCase(),
  (date) => date.slice(0, 8),
  (date) => `${date} `,
  (date) => date.replace('T', ' '),
  (date) => date.replace('Z', '+0000'),
  (date) => date.replace('Z', '.000Z'),
  (date) => date.replace(/^\d{4}/, '9999'),
  () => '20261399T256161Z',
  () => '',
]

const LIVES: Change[] = [
  (life) => String(Number(life) + 1),
  (life) => String(Number(life) - 1),
  (life) => `0${life}`,
  (life) => `+${life}`,
  (life) => `${life}.0`,
  (life) => `${life}e0`,
  (life) => ` ${life}`,
  (life) => `${life}\0`,
  ...['0', '-1', '604800', '604801', '999999', '9'.repeat(20), '0x258', 'Infinity', 'NaN', ''].map(
    (life) => () => life,
  ),
]

const SCOPES: Change[] = [
  scoped(0, (id) => `${id}x`),
  scoped(0, (id) => id.toLowerCase()),
  scoped(0, () => ''),
  scoped(1, (day) => String(Number(day) + 1)),
  scoped(1, () => ''),
  scoped(2, () => 'cn-beijing'),
  scoped(2, (region) => `oss-${region}`),
  scoped(2, (region) => region.toUpperCase()),
  scoped(2, () => ''),
  scoped(3, () => 's3'),
  scoped(3, () => 'OSS'),
  scoped(4, () => 'aws4_request'),
  scoped(4, () => 'aliyun_v4_request\n'),
  (credential) => credential.slice(0, credential.lastIndexOf('/')),
  (credential) => `${credential}/`,
  (credential) => `/${credential}`,
  (credential) => credential.replaceAll('/', '//'),
  (credential) => credential.split('/')[0] ?? '',
]

const SIGNATURES: Change[] = [
  (signature) => signature.toUpperCase(),
  (signature) => signature.slice(0, -1),
  (signature) => signature.slice(1),
  (signature) => `${signature}0`,
  (signature) => `0${signature}`,
  (signature) => `0x${signature}`,
  (signature) => `${signature}\n`,
  (signature) => ` ${signature}`,
  (signature) => `${signature}\0`,
  (signature) => signature.slice(0, 32),
  (signature) => signature + signature,
  (signature) => Buffer.from(signature, 'hex').toString('base64'),
  (signature) => [...signature].reverse().join(''),
  () => '0'.repeat(64),
  () => '',
]

const ADDITIONALS: Change[] = [
  (names) => (names === '' ? 'host' : ''),
  (names) => `${names};content-length`,
  (names) => `${names};`,
  (names) => `;${names};`,
  (names) => names.toUpperCase() || 'HOST',
  (names) => `${names};range;user-agent`,
  (names) => `${names} `,
  () => 'x-oss-date',
  () => 'authorization',
  () => '__proto__',
]

const VERSIONS: Change[] = [
  (version) => version.toLowerCase(),
  (version) => `${version} `,
  ...['OSS4-HMAC-SHA1', 'OSS2', 'AWS4-HMAC-SHA256', 'none', ''].map((version) => () => version),
]

const HEADERS: Record<string, string>[] = [
  { 'content-md5': '1B2M2Y8AsgTpgAmY7PhCfg==' },
  { 'content-type': 'text/html' },
  { 'x-oss-content-sha256': 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855' },
  { 'x-oss-date': '20260102T030405Z' },
  { 'x-oss-process': 'image/info' },
  { 'x-oss-security-token': 'x' },
  { authorization: 'OSS4-HMAC-SHA256 Credential=x,Signature=y' },
  { authorization: 'Bearer x' },
]

export const KINDS_V4: [string, Kind][] = [
  ['another date', changed(DATE, DATES)],
  ['another life', changed(EXPIRES, LIVES)],
  ['another scope', changed(CREDENTIAL, SCOPES)],
  ['another signature in hexadecimal', changed(SIGNATURE, SIGNATURES)],
  ['a bit of the signature', (target, _, random) => ({ target: withBitOfSignature(target, random) })],
  ['other additional headers', changed(ADDITIONAL, ADDITIONALS)],
  ['another version', changed(VERSION, VERSIONS)],
  [
    'a day that goes with the date',
    (target, _, random) => {
      const date = seconds(valueIn(target, DATE), some([86_400, -86_400], random))
      const credential = scoped(1, () => date.slice(0, 8))(once(valueIn(target, CREDENTIAL)))
      return { target: replaced(replaced(target, DATE, date), CREDENTIAL, encodeURIComponent(credential)) }
    },
  ],
  [
    'all but the signature of a stranger, by V4',
    (target, { foreignTarget }) => ({ target: replaced(foreignTarget, SIGNATURE, valueIn(target, SIGNATURE)) }),
  ],
  [
    'another host',
    (_target, { host }, random) => ({
      headers: { host: some([`x${host}`, `${host}:80`, host.toUpperCase()], random) },
    }),
  ],
  ['a header that counts for V4', (_target, { host }, random) => ({ headers: { host, ...some(HEADERS, random) } })],
  ['as V1', (target) => ({ target: asV1(target) })],
  [
    'in the header instead, by V4',
    (target, { host, key, bucket }) => asHeader(target, { host, path: `/${bucket}/${encodeURIComponent(key)}` }),
  ],
]

/** One of the 256. */
function withBitOfSignature(target: string, random: Random): string {
  const bytes = Buffer.from(valueIn(target, SIGNATURE), 'hex')
  const at = Math.floor(random() * bytes.length)
  bytes[at] = (bytes[at] ?? 0) ^ (1 << Math.floor(random() * 8))
  return replaced(target, SIGNATURE, bytes.toString('hex'))
}

function asV1(target: string): string {
  const value = (name: string) => valueIn(target, name)
  const id = once(value(CREDENTIAL)).split('/', 1)[0] ?? ''
  const expires = Math.floor(Date.now() / 1000) + 600
  const path = target.slice(0, target.indexOf('?'))
  return `${path}?Expires=${expires}&OSSAccessKeyId=${id}&Signature=${value(SIGNATURE)}&security-token=${value('x-oss-security-token')}`
}

function asHeader(target: string, { host, path }: { host: string; path: string }): Partial<Attempt> {
  const value = (name: string) => once(valueIn(target, name))
  const additional = value(ADDITIONAL) === '' ? '' : `AdditionalHeaders=${value(ADDITIONAL)},`
  return {
    target: path,
    headers: {
      host,
      'x-oss-date': value(DATE),
      'x-oss-content-sha256': 'UNSIGNED-PAYLOAD',
      'x-oss-security-token': value('x-oss-security-token'),
      authorization: `OSS4-HMAC-SHA256 Credential=${value(CREDENTIAL)},${additional}Signature=${value(SIGNATURE)}`,
    },
  }
}
