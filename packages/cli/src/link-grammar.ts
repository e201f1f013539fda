import type { Words } from './words.ts'

/** What a signed URL says of itself. Grammar only: whether the signature is right only its server knows. */
export interface LinkReading {
  signature: 'V1' | 'V4' | 'none'
  host: string
  bucket: string
  key: string
  /** As it stands in the link, decoded; `image/resize,w_120,h_120` asks for a thumbnail. */
  process: string | undefined
  securityToken: boolean
  /** Unix time in milliseconds. */
  expiresAt: number | undefined
  damage: Damage[]
}

export interface Damage {
  /** A name for programs. */
  what: keyof typeof DAMAGES
  /** Of the parameter or the like that it is about. */
  where?: string
}

/** What can happen to a link between the one who got it and the one who opens it. */
export const DAMAGES = {
  space: { en: 'holds a space or a line break: it was broken when it was copied', zh: '含有空格或换行：复制时被折断' },
  wrapped: { en: 'has quotes, brackets or punctuation around it', zh: '首尾带有引号、括号或标点' },
  'html-escaped': {
    en: '`&amp;` stands for `&`: it was copied out of HTML or XML',
    zh: '`&` 变成了 `&amp;`：从 HTML 或 XML 中复制而来',
  },
  'second-question-mark': {
    en: 'has a second `?`: something appended parameters as if there were none',
    zh: '有第二个 `?`：追加参数时误用了 `?`',
  },
  'encoded-twice': {
    en: '`%25` before two hex digits: it was encoded a second time',
    zh: '出现 `%25` 加两位十六进制：被重复编码',
  },
  'percent-encoding': { en: 'is not percent-encoded UTF-8', zh: '不是合法的百分号编码 UTF-8' },
  'plus-decoded': { en: 'was decoded: `%2B` has become `+` or a space', zh: '被解码过：`%2B` 变成了 `+` 或空格' },
  missing: { en: 'is missing', zh: '缺失' },
  repeated: { en: 'stands there twice', zh: '重复出现' },
  misspelt: { en: 'is misspelt: parameters are case-sensitive', zh: '拼写有误：参数区分大小写' },
  'not-a-time': { en: 'is not a whole number of seconds', zh: '不是整数秒' },
  milliseconds: { en: 'is in milliseconds; it has to be seconds', zh: '单位是毫秒，应为秒' },
  'cut-off': { en: 'is cut off or changed', zh: '被截断或改动' },
  'api-call': {
    en: 'is a call of the API with its accessToken, not a link: whoever has read it can act for you until the token ends',
    zh: '这是带 accessToken 的 API 调用而非下载链接：看到它的人在令牌失效前可代你操作',
  },
} as const satisfies Record<string, Words>

const V1 = ['Expires', 'OSSAccessKeyId', 'Signature'] as const
const V4 = ['x-oss-signature-version', 'x-oss-credential', 'x-oss-date', 'x-oss-expires', 'x-oss-signature'] as const

/** `undefined` for what is no URL at all. */
export function readLink(given: string): LinkReading | undefined {
  const damage: Damage[] = []
  const text = unwrapped(given, damage)
  const [, host, rest = ''] = /^https?:\/\/(?:[^/?#@\s]*@)?([^/?#\s]+)([^#]*)/is.exec(text) ?? []
  if (host === undefined) return undefined
  const [path = '', ...queries] = rest.split('?')
  if (queries.length > 1) damage.push({ what: 'second-question-mark' })
  const query = parametersOf(queries.join('&'), damage)
  const { bucket, key } = objectIn(decoded(path, 'path', damage), host)
  const version = kindOf(query)
  if (query.has('accessToken')) damage.push({ what: 'api-call' })
  else if (version === 'V4') damage.push(...missing(V4, query))
  else damage.push(...missing(V1, query), ...signatureV1(query))
  const tokenName = version === 'V4' ? 'x-oss-security-token' : 'security-token'
  const token = query.get(tokenName)
  damage.push(...tokenDamage(tokenName, query))
  const id = query.get('OSSAccessKeyId') ?? query.get('x-oss-credential') ?? ''
  if (token === undefined && id.startsWith('STS.')) damage.push({ what: 'missing', where: 'security-token' })
  return {
    signature: version,
    host,
    bucket,
    key,
    process: query.get('x-oss-process'),
    securityToken: token !== undefined && token !== '',
    expiresAt: version === 'V4' ? expiryV4(query, damage) : expiryV1(query, damage),
    damage,
  }
}

function unwrapped(given: string, damage: Damage[]): string {
  let text = given.trim()
  const bare = text.replace(/^["'“”‘’<（([{`]+|["'“”‘’>）)\]}`.,;:!，。；：！]+$/g, '')
  if (bare !== text) damage.push({ what: 'wrapped' })
  text = bare
  if (/&amp;/i.test(text)) damage.push({ what: 'html-escaped' })
  text = text.replace(/&amp;/gi, '&')
  // A space inside the query is a decoded plus, and told where it stands.
  const path = text.split('?')[0] ?? ''
  if (/[\r\n\t]/.test(text) || path.includes(' ')) damage.push({ what: 'space' })
  return text.replace(/[\r\n\t]+ */g, '')
}

function parametersOf(query: string, damage: Damage[]): Map<string, string> {
  const parameters = new Map<string, string>()
  for (const pair of query.split('&').filter(Boolean)) {
    const equals = pair.indexOf('=')
    const name = equals === -1 ? pair : pair.slice(0, equals)
    const value = equals === -1 ? '' : pair.slice(equals + 1)
    const known = [...V1, ...V4, 'security-token', 'x-oss-process'].find(
      (one) => one.toLowerCase() === name.toLowerCase(),
    )
    if (known !== undefined && known !== name) damage.push({ what: 'misspelt', where: name })
    if (parameters.has(name)) damage.push({ what: 'repeated', where: name })
    // Base64 in a link has its plus as %2B.
    else if (/[+ ]/.test(value) && /^(Signature|security-token|x-oss-security-token)$/.test(name))
      damage.push({ what: 'plus-decoded', where: name })
    if (!parameters.has(name)) parameters.set(name, decoded(value.replaceAll(' ', '+'), name, damage))
  }
  return parameters
}

function decoded(text: string, where: string, damage: Damage[]): string {
  try {
    const plain = decodeURIComponent(text)
    if (/%[0-9a-f]{2}/i.test(plain) && /%25[0-9a-f]{2}/i.test(text)) damage.push({ what: 'encoded-twice', where })
    return plain
  } catch {
    damage.push({ what: 'percent-encoding', where })
    return text
  }
}

function kindOf(query: ReadonlyMap<string, string>): LinkReading['signature'] {
  if (query.has('x-oss-signature-version') || query.has('x-oss-signature')) return 'V4'
  return V1.some((name) => query.has(name)) ? 'V1' : 'none'
}

function missing(names: readonly string[], query: ReadonlyMap<string, string>): Damage[] {
  return names.filter((name) => !query.get(name)).map((where) => ({ what: 'missing', where }))
}

/** Base64 with its padding, as the service and the vendor issue it. */
function tokenDamage(name: string, query: ReadonlyMap<string, string>): Damage[] {
  const token = query.get(name)
  const whole =
    !token ||
    /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{3}=|[A-Za-z0-9+/]{2}==)?$/.test(token) ||
    /%[0-9a-f]{2}/i.test(token)
  return whole ? [] : [{ what: 'cut-off', where: name }]
}

/** HMAC-SHA1 in base64: twenty bytes, 28 characters. */
function signatureV1(query: ReadonlyMap<string, string>): Damage[] {
  const signature = query.get('Signature')
  const whole = !signature || /^[A-Za-z0-9+/]{27}=$/.test(signature) || /%[0-9a-f]{2}/i.test(signature)
  return whole ? [] : [{ what: 'cut-off', where: 'Signature' }]
}

function expiryV1(query: ReadonlyMap<string, string>, damage: Damage[]): number | undefined {
  const expires = query.get('Expires')
  if (!expires) return undefined
  if (!/^\d{1,15}$/.test(expires)) {
    damage.push({ what: 'not-a-time', where: 'Expires' })
    return undefined
  }
  const seconds = Number(expires)
  // The year 33658 in seconds is this century in milliseconds.
  const inMilliseconds = /^1\d{12}$/.test(expires)
  if (inMilliseconds) damage.push({ what: 'milliseconds', where: 'Expires' })
  return inMilliseconds ? seconds : seconds * 1000
}

function expiryV4(query: ReadonlyMap<string, string>, damage: Damage[]): number | undefined {
  const [, y, m, d, h, min, s] = /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/.exec(query.get('x-oss-date') ?? '') ?? []
  const seconds = query.get('x-oss-expires') ?? ''
  if (y === undefined || !/^\d{1,6}$/.test(seconds)) {
    if (query.has('x-oss-date') && query.has('x-oss-expires'))
      damage.push({ what: 'not-a-time', where: 'x-oss-expires' })
    return undefined
  }
  return Date.parse(`${y}-${m}-${d}T${h}:${min}:${s}Z`) + Number(seconds) * 1000
}

/** By the host where it names the bucket, else by the path; a key that stands alone belongs to a domain of its own. */
function objectIn(path: string, host: string): { bucket: string; key: string } {
  const whole = path.replace(/^\//, '')
  const [, bucket] = /^([a-z0-9][a-z0-9-]+)\.oss-[a-z0-9-]+\.aliyuncs\.com(?::\d+)?$/i.exec(host) ?? []
  const slash = whole.indexOf('/')
  if (bucket !== undefined || slash === -1) return { bucket: bucket ?? '', key: whole }
  return { bucket: whole.slice(0, slash), key: whole.slice(slash + 1) }
}
