import { createHmac } from 'node:crypto'

export interface SignedLink {
  bucket: string
  key: string
  expires: string
  /** The parameters that the signature covers, decoded. */
  signed: [string, string][]
}

/** OSS V1 in a URL, from the vendor's page: a signer that shares nothing with ours. */
export function signatureOf(secret: string, { bucket, key, expires, signed }: SignedLink): string {
  const resource = signed
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, value]) => `${name}=${value}`)
    .join('&')
  const text = `GET\n\n\n${expires}\n/${bucket}/${key}${resource === '' ? '' : `?${resource}`}`
  return createHmac('sha1', secret).update(text).digest('base64')
}

export interface Pair {
  bucket: string
  accessKeyId: string
  accessKeySecret: string
  securityToken: string
}

/** The query of a link that lives a minute. */
export function signedQuery({ bucket, accessKeyId, accessKeySecret, securityToken }: Pair, key: string): string {
  const expires = String(Math.ceil(Date.now() / 1000) + 60)
  const signed: [string, string][] = [['security-token', securityToken]]
  return new URLSearchParams({
    Expires: expires,
    OSSAccessKeyId: accessKeyId,
    Signature: signatureOf(accessKeySecret, { bucket, key, expires, signed }),
    'security-token': securityToken,
  }).toString()
}
