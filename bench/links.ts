import { createHmac } from 'node:crypto'
import type { LinkPair } from './attache.ts'

/** What a V1 signature of a GET covers (OSS: signatures in URLs), written anew here: the limit must not lean on the service. */
export function textToSign(
  { securityToken }: LinkPair,
  object: { bucket: string; key: string },
  link: LinkTerms,
): string {
  const process = link.process === undefined ? '' : `&x-oss-process=${link.process}`
  return `GET\n\n\n${link.expires}\n/${object.bucket}/${object.key}?security-token=${securityToken}${process}`
}

export interface LinkTerms {
  /** Unix time in seconds. */
  expires: number
  /** The value of `x-oss-process`. */
  process?: string
}

/** The path and query of a link that was not asked of the service. */
export function signedPath(pair: LinkPair, object: { bucket: string; key: string }, link: LinkTerms): string {
  const signature = createHmac('sha1', pair.accessKeySecret)
    .update(textToSign(pair, object, link))
    .digest('base64')
  const query = new URLSearchParams({
    Expires: String(link.expires),
    OSSAccessKeyId: pair.accessKeyId,
    Signature: signature,
    ...(link.process === undefined ? {} : { 'x-oss-process': link.process }),
    'security-token': pair.securityToken,
  })
  return `/${object.bucket}/${encodeURIComponent(object.key)}?${query}`
}

export function pathOf(url: string): string {
  const { pathname, search } = new URL(url)
  return pathname + search
}
