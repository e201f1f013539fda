import { createHmac, hash } from 'node:crypto'
import { encodeRfc3986 } from './signature.ts'

/**
 * Signature V3 of Alibaba's APIs, which STS takes and which is advised over the older HMAC-SHA1 of RPC:
 * https://www.alibabacloud.com/help/en/sdk/product-overview/v3-request-structure-and-signature
 */
export const ACS3_ALGORITHM = 'ACS3-HMAC-SHA256'

export interface AcsRequest {
  method: string
  path: string
  query: ReadonlyMap<string, string>
  /** All that the signature covers, with lower-case names; `x-acs-content-sha256` is that of the body. */
  headers: Readonly<Record<string, string>>
}

/** The signature of a request, in hex. */
export function signAcs3(secret: string, { method, path, query, headers }: AcsRequest): string {
  const names = Object.keys(headers).sort()
  const canonical = [
    method,
    path,
    [...query]
      .map(([name, value]) => `${encodeRfc3986(name)}=${encodeRfc3986(value)}`)
      .sort()
      .join('&'),
    ...names.map((name) => `${name}:${headers[name]?.trim()}`),
    '',
    names.join(';'),
    headers['x-acs-content-sha256'] ?? '',
  ].join('\n')
  return createHmac('sha256', secret)
    .update(`${ACS3_ALGORITHM}\n${hash('sha256', canonical, 'hex')}`)
    .digest('hex')
}

export function acs3Authorization(accessKeyId: string, secret: string, request: AcsRequest): string {
  const names = Object.keys(request.headers).sort().join(';')
  return `${ACS3_ALGORITHM} Credential=${accessKeyId},SignedHeaders=${names},Signature=${signAcs3(secret, request)}`
}

/** What such a header says of itself, or `undefined` when it is none. */
export function parseAcs3(authorization: string): Acs3Claim | undefined {
  const match =
    /^ACS3-HMAC-SHA256 Credential=([^,\s]+),\s?SignedHeaders=([a-z0-9;-]+),\s?Signature=([0-9a-f]{64})$/.exec(
      authorization,
    )
  if (match === null) return undefined
  const [, accessKeyId = '', names = '', signature = ''] = match
  return { accessKeyId, signedHeaders: names.split(';'), signature }
}

export interface Acs3Claim {
  accessKeyId: string
  signedHeaders: string[]
  signature: string
}
