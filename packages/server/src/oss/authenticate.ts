import type { LinkCredential } from './credential.ts'
import { OssFailure } from './failure.ts'
import {
  type HmacSha1Key,
  sameSignature,
  signV1,
  signV4,
  stringToSignV1,
  stringToSignV4,
  V4_ALGORITHM,
} from './signature.ts'
import { type ObjectName, parseTarget, readingsOf, type Target } from './target.ts'

/** A data-plane request as it came: the raw target, and headers with lower-case names. */
export interface OssRequest {
  method: string
  target: string
  headers: Readonly<Record<string, string>>
}

export interface SigningKey {
  credential: LinkCredential
  hmacSha1: HmacSha1Key
  /** Asked once a signature has been found right, so it may go to a store; throws the `OssFailure` that fits when the credential was ended. */
  confirm?(): Promise<void>
}

export interface AuthenticationRules {
  defaultBucket: string
  region: string
  /** Turns off the two kindnesses: HEAD by a GET signature, and an unsigned Content-Type on reads. */
  strict: boolean
  /** Unix time in milliseconds. */
  now: number
  /** Touches no store. Throws the `OssFailure` that fits when the pair of id and token is not ours. */
  signingKey(accessKeyId: string, securityToken: string | undefined): SigningKey | Promise<SigningKey>
}

/** Who asks for which object; `query` holds what the signature covers. */
export interface Authenticated {
  object: ObjectName
  query: ReadonlyMap<string, string>
  credential: LinkCredential
  /** When the link dies, Unix time in milliseconds; not set for header signing. */
  expiresAt?: number
}

const SKEW_MS = 15 * 60_000
const MAX_EXPIRES_V4 = 604_800

/**
 * Checks in the order shape → time → access key → token → signature → whether the credential was ended. Before the last
 * no store is touched: a failed signature tells nothing about what exists.
 */
export async function authenticate(request: OssRequest, rules: AuthenticationRules): Promise<Authenticated> {
  const target = parseTarget(request.target)
  const host = request.headers['host'] ?? ''
  const readings = readingsOf(target.rawPath, host, rules.defaultBucket)
  if (readings === undefined) throw new OssFailure('InvalidObjectName')
  const { query } = target
  const authorization = request.headers['authorization']
  const inQueryV4 = query.has('x-oss-signature-version')
  const inQueryV1 = query.has('Signature') || query.has('OSSAccessKeyId') || query.has('Expires')
  if ((inQueryV1 || inQueryV4) && authorization !== undefined) throw new OssFailure('TwoAuthentications')
  const context = { request, target, readings, rules }
  if (inQueryV1) return queryV1(context)
  if (inQueryV4) return queryV4(context)
  if (authorization === undefined)
    throw new OssFailure(readings.some((r) => r.key === '') ? 'AnonymousBucket' : 'AnonymousObject')
  if (authorization.startsWith(`${V4_ALGORITHM} `)) return headerV4(context, authorization)
  if (authorization.startsWith('OSS ')) return headerV1(context, authorization)
  throw malformed('Authorization')
}

interface Context {
  request: OssRequest
  target: Target
  readings: ObjectName[]
  rules: AuthenticationRules
}

async function queryV1({ request, target, readings, rules }: Context): Promise<Authenticated> {
  const { query } = target
  const expires = query.get('Expires')
  const accessKeyId = query.get('OSSAccessKeyId')
  const signature = query.get('Signature')
  if (!expires || !accessKeyId || !signature) throw new OssFailure('MissingParameters')
  if (!/^\d+$/.test(expires)) throw new OssFailure('InvalidExpires')
  const expiresAt = Number(expires) * 1000
  refuseExpired(expiresAt, rules.now)
  const token = query.get('security-token')?.replaceAll(' ', '+')
  const signed = token === undefined ? query : new Map(query).set('security-token', token)
  const key = await rules.signingKey(accessKeyId, token)
  const provided = signature.replaceAll(' ', '+')
  for (const { method, headers } of spellings(request, rules.strict)) {
    for (const object of readings) {
      const expected = signV1(key.hmacSha1, stringToSignV1({ method, ...object, expires, query: signed, headers }))
      if (sameSignature(expected, provided)) return confirmed(key, { object, query: signed, expiresAt })
    }
  }
  throw mismatch(accessKeyId, signature, stringToSignV1({ ...request, ...likeliest(readings), expires, query: signed }))
}

/** What the signer may have meant: the request itself, then the two kindnesses, which grant nothing that GET had not. */
function spellings(request: OssRequest, strict: boolean): Pick<OssRequest, 'method' | 'headers'>[] {
  const { method, headers } = request
  const all: Pick<OssRequest, 'method' | 'headers'>[] = [{ method, headers }]
  if (strict || (method !== 'GET' && method !== 'HEAD')) return all
  const { 'content-type': contentType, ...bare } = headers
  if (contentType !== undefined) all.push({ method, headers: bare })
  if (method === 'HEAD') all.push({ method: 'GET', headers })
  if (method === 'HEAD' && contentType !== undefined) all.push({ method: 'GET', headers: bare })
  return all
}

async function headerV1({ request, target, readings, rules }: Context, authorization: string): Promise<Authenticated> {
  const [, accessKeyId, signature] = /^OSS ([^:\s]+):(\S+)$/.exec(authorization) ?? []
  if (accessKeyId === undefined || signature === undefined) throw malformed('Authorization')
  const { headers, method } = request
  const date = headers['x-oss-date'] ?? headers['date'] ?? ''
  refuseSkewed(Date.parse(date), rules.now)
  const key = await rules.signingKey(accessKeyId, headers['x-oss-security-token'])
  for (const object of readings) {
    const expected = signV1(
      key.hmacSha1,
      stringToSignV1({ method, ...object, expires: date, query: target.query, headers }),
    )
    if (sameSignature(expected, signature)) return confirmed(key, { object, query: target.query })
  }
  throw mismatch(
    accessKeyId,
    signature,
    stringToSignV1({ method, ...likeliest(readings), expires: date, query: target.query, headers }),
  )
}

async function queryV4(context: Context): Promise<Authenticated> {
  const { query } = context.target
  if (query.get('x-oss-signature-version') !== V4_ALGORITHM) throw malformed('x-oss-signature-version')
  const date = query.get('x-oss-date') ?? ''
  const issuedAt = parseDateV4(date)
  if (issuedAt === undefined) throw malformed('x-oss-date')
  const expires = query.get('x-oss-expires') ?? ''
  if (!/^\d{1,6}$/.test(expires) || Number(expires) < 1 || Number(expires) > MAX_EXPIRES_V4)
    throw malformed('x-oss-expires')
  if (issuedAt > context.rules.now + SKEW_MS) throw new OssFailure('RequestTimeTooSkewed')
  const expiresAt = issuedAt + Number(expires) * 1000
  refuseExpired(expiresAt, context.rules.now)
  const authenticated = await verifyV4(context, {
    date,
    credential: query.get('x-oss-credential') ?? '',
    signature: query.get('x-oss-signature') ?? '',
    additionalHeaders: query.get('x-oss-additional-headers') ?? '',
    securityToken: query.get('x-oss-security-token'),
    methods: context.request.method === 'HEAD' && !context.rules.strict ? ['HEAD', 'GET'] : [context.request.method],
  })
  return { ...authenticated, expiresAt }
}

async function headerV4(context: Context, authorization: string): Promise<Authenticated> {
  const { headers, method } = context.request
  const fields = new Map(
    authorization
      .slice(V4_ALGORITHM.length + 1)
      .split(',')
      .map((field) => {
        const equals = field.indexOf('=')
        return [field.slice(0, equals).trim(), field.slice(equals + 1).trim()] as const
      }),
  )
  const dateHeader = headers['x-oss-date'] ?? headers['date'] ?? ''
  const issuedAt = parseDateV4(dateHeader) ?? Date.parse(dateHeader)
  refuseSkewed(issuedAt, context.rules.now)
  return verifyV4(context, {
    date: new Date(issuedAt).toISOString().replace(/[-:]|\.\d+/g, ''),
    credential: fields.get('Credential') ?? '',
    signature: fields.get('Signature') ?? '',
    additionalHeaders: fields.get('AdditionalHeaders') ?? '',
    securityToken: headers['x-oss-security-token'],
    methods: [method],
  })
}

interface ClaimV4 {
  date: string
  credential: string
  signature: string
  additionalHeaders: string
  securityToken: string | undefined
  methods: string[]
}

async function verifyV4({ request, target, readings, rules }: Context, claim: ClaimV4): Promise<Authenticated> {
  const [accessKeyId, day, region, product, terminator, ...more] = claim.credential.split('/')
  if (
    !accessKeyId ||
    day !== claim.date.slice(0, 8) ||
    product !== 'oss' ||
    terminator !== 'aliyun_v4_request' ||
    more.length > 0
  ) {
    throw malformed('x-oss-credential')
  }
  if (region !== rules.region) throw new OssFailure('InvalidRegion')
  const additionalHeaders = claim.additionalHeaders.toLowerCase().split(';').filter(Boolean).sort()
  const key = await rules.signingKey(accessKeyId, claim.securityToken)
  const scope = `${day}/${region}/oss/aliyun_v4_request`
  const text = (method: string, object: ObjectName) =>
    stringToSignV4({
      method,
      ...object,
      date: claim.date,
      scope,
      query: target.query,
      headers: request.headers,
      additionalHeaders,
    })
  for (const method of claim.methods) {
    for (const object of readings) {
      const expected = signV4(key.credential.accessKeySecret, scope, text(method, object))
      if (sameSignature(expected, claim.signature)) return confirmed(key, { object, query: target.query })
    }
  }
  throw mismatch(accessKeyId, claim.signature, text(request.method, likeliest(readings)))
}

async function confirmed(key: SigningKey, found: Omit<Authenticated, 'credential'>): Promise<Authenticated> {
  await key.confirm?.()
  return { ...found, credential: key.credential }
}

function parseDateV4(text: string): number | undefined {
  const match = /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/.exec(text)
  if (match === null) return undefined
  const [, year, month, day, hour, minute, second] = match
  const time = Date.parse(`${year}-${month}-${day}T${hour}:${minute}:${second}Z`)
  return Number.isNaN(time) ? undefined : time
}

function refuseExpired(expiresAt: number, now: number): void {
  if (now > expiresAt) throw new OssFailure('Expired', { elements: { Expires: new Date(expiresAt).toISOString() } })
}

function refuseSkewed(issuedAt: number, now: number): void {
  if (Number.isNaN(issuedAt)) throw malformed('Date')
  if (Math.abs(now - issuedAt) > SKEW_MS) throw new OssFailure('RequestTimeTooSkewed')
}

function likeliest(readings: ObjectName[]): ObjectName {
  return readings[0] ?? { bucket: '', key: '' }
}

// The value is not repeated: an Authorization header may hold what must not stand in an error body.
function malformed(argument: string): OssFailure {
  return new OssFailure('InvalidArgument', {
    message: `The argument ${argument} is not valid.`,
    elements: { ArgumentName: argument },
  })
}

function mismatch(accessKeyId: string, signature: string, text: string): OssFailure {
  return new OssFailure('SignatureDoesNotMatch', {
    elements: {
      OSSAccessKeyId: accessKeyId,
      SignatureProvided: signature,
      StringToSign: text,
      StringToSignBytes: Buffer.from(text, 'utf8')
        .toString('hex')
        .toUpperCase()
        .replace(/..(?!$)/g, '$& '),
    },
  })
}
