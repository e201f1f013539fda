import { boundedCache } from '../bounded-cache.ts'
import { signV1 } from '../oss/signature.ts'
import { encodeKey, encodeValue } from '../oss/target.ts'
import type { Signer } from './link-credentials.ts'

export interface LinkPlace {
  bucket: string
  /** What stands before the key in a link, without a `/` at its end; asked once the service listens. */
  linkUrl(): string
}

export interface LinkPair {
  url: string
  thumbUrl: string
}

/** The attachment that a link leads to, and how often its links were revoked. */
export interface LinkTarget {
  key: string
  linkEpoch: number
}

/** Named and signed by links of an attachment whose links were revoked; the others look as the seed has them. */
export const EPOCH = 'x-oss-attache-epoch'

export const THUMBNAIL = 'image/resize,w_120,h_120'
const THUMBNAIL_ENCODED = encodeValue(THUMBNAIL)

/** What all links of one signer share. */
interface Template {
  query: string
  token: string
  signedToken: string
}

/**
 * Signs pairs of links as the seed lays them out: `Expires, OSSAccessKeyId, Signature, [x-oss-process], security-token`,
 * with the epoch, where there is one, before the last.
 * The text signed is that of `stringToSignV1` for a GET without headers, written out for speed; a test holds them together.
 */
export function linkSigner({ bucket, linkUrl }: LinkPlace) {
  const templates = new WeakMap<Signer, Template>()
  const encoded = boundedCache<string>(20_000)

  function templateOf(signer: Signer): Template {
    const known = templates.get(signer)
    if (known) return known
    const { accessKeyId, securityToken } = signer.credential
    const template = {
      query: `&OSSAccessKeyId=${encodeValue(accessKeyId)}&Signature=`,
      token: securityToken === undefined ? '' : `&security-token=${encodeValue(securityToken)}`,
      signedToken: securityToken === undefined ? '?' : `?security-token=${securityToken}`,
    }
    templates.set(signer, template)
    return template
  }

  function addressOf(key: string): string {
    const known = encoded.get(key)
    if (known !== undefined) return known
    const address = `${linkUrl()}/${encodeKey(key)}`
    encoded.set(key, address)
    return address
  }

  return (signer: Signer, { key, linkEpoch }: LinkTarget, expires: number): LinkPair => {
    const { query, token, signedToken } = templateOf(signer)
    const epoch = linkEpoch === 0 ? '' : `&${EPOCH}=${linkEpoch}`
    const rest = epoch + token
    const text = `GET\n\n\n${expires}\n/${bucket}/${key}`
    // Names in their order: security-token, x-oss-attache-epoch, x-oss-process.
    const signed = token === '' ? `?${epoch.slice(1)}` : signedToken + epoch
    const original = signV1(signer.hmacSha1, rest === '' ? text : text + signed)
    const thumbnail = signV1(signer.hmacSha1, `${text}${signed}${rest === '' ? '' : '&'}x-oss-process=${THUMBNAIL}`)
    const start = `${addressOf(key)}?Expires=${expires}${query}`
    return {
      url: `${start}${encodeURIComponent(original)}${rest}`,
      thumbUrl: `${start}${encodeURIComponent(thumbnail)}&x-oss-process=${THUMBNAIL_ENCODED}${rest}`,
    }
  }
}
