import { hmacSha1Key, signV1, signV4, stringToSignV1, stringToSignV4, V4_ALGORITHM } from './signature.ts'

/** A request to OSS before it is signed. Header names are lower case; the key and what stands in the query are decoded. */
export interface UnsignedRequest {
  method: string
  bucket: string
  key: string
  query: ReadonlyMap<string, string>
  headers: Readonly<Record<string, string>>
}

export interface RequestSigning {
  version: 'v1' | 'v4'
  region: string
  credential: { accessKeyId: string; accessKeySecret: string; securityToken?: string | undefined }
  /** Unix time in milliseconds. */
  now: number
}

/** The headers of a request with those that sign it. `host`, `range` and the like may be added: no signature covers them. */
export function signedHeaders(request: UnsignedRequest, signing: RequestSigning): Record<string, string> {
  const { accessKeyId, accessKeySecret, securityToken } = signing.credential
  const token = securityToken === undefined ? {} : { 'x-oss-security-token': securityToken }
  if (signing.version === 'v1') {
    const date = new Date(signing.now).toUTCString()
    const headers = { ...request.headers, ...token, date }
    const text = stringToSignV1({ ...request, headers, expires: date })
    return { ...headers, authorization: `OSS ${accessKeyId}:${signV1(hmacSha1Key(accessKeySecret), text)}` }
  }
  const date = dateV4(signing.now)
  const scope = scopeOf(date, signing.region)
  const headers = { ...request.headers, ...token, 'x-oss-date': date, 'x-oss-content-sha256': 'UNSIGNED-PAYLOAD' }
  const signature = signV4(
    accessKeySecret,
    scope,
    stringToSignV4({ ...request, headers, date, scope, ...NOTHING_MORE }),
  )
  return { ...headers, authorization: `${V4_ALGORITHM} Credential=${accessKeyId}/${scope},Signature=${signature}` }
}

/** The query of a URL that works until `expiresAt`, Unix time in seconds; V4 counts its life from the second of `now`. */
export function signedQuery(
  request: UnsignedRequest & { expiresAt: number },
  signing: RequestSigning,
): Map<string, string> {
  const { accessKeyId, accessKeySecret, securityToken } = signing.credential
  if (signing.version === 'v1') {
    const token: [string, string][] = securityToken === undefined ? [] : [['security-token', securityToken]]
    const query = new Map([...request.query, ...token])
    const expires = String(request.expiresAt)
    const signature = signV1(hmacSha1Key(accessKeySecret), stringToSignV1({ ...request, query, expires }))
    return new Map([['Expires', expires], ['OSSAccessKeyId', accessKeyId], ['Signature', signature], ...query])
  }
  const date = dateV4(signing.now)
  const scope = scopeOf(date, signing.region)
  const query = new Map([
    ...request.query,
    ['x-oss-signature-version', V4_ALGORITHM],
    ['x-oss-credential', `${accessKeyId}/${scope}`],
    ['x-oss-date', date],
    ['x-oss-expires', String(request.expiresAt - Math.floor(signing.now / 1000))],
  ])
  if (securityToken !== undefined) query.set('x-oss-security-token', securityToken)
  const text = stringToSignV4({ ...request, query, date, scope, ...NOTHING_MORE })
  return query.set('x-oss-signature', signV4(accessKeySecret, scope, text))
}

const NOTHING_MORE = { additionalHeaders: [] }

/** `yyyymmddTHHMMSSZ` */
function dateV4(now: number): string {
  return new Date(now).toISOString().replace(/[-:]|\.\d+/g, '')
}

function scopeOf(date: string, region: string): string {
  return `${date.slice(0, 8)}/${region}/oss/aliyun_v4_request`
}
