import { encodeKey } from '../oss/target.ts'

/** How a URL names the bucket: as the first label of the host, as the first part of the path, or by a domain of its own. */
export type AliyunStyle = 'virtual' | 'path' | 'domain'

export interface AliyunPlace {
  /** Scheme, host and port. */
  origin: string
  /** The path of an object, or of the bucket for an empty key. */
  path(key: string): string
}

export function aliyunPlace(endpoint: string, { bucket, style }: { bucket: string; style: AliyunStyle }): AliyunPlace {
  const { protocol, host } = new URL(endpoint)
  const origin = `${protocol}//${style === 'virtual' ? `${bucket}.` : ''}${host}`
  const start = style === 'path' ? `/${bucket}/` : '/'
  return { origin, path: (key) => start + encodeKey(key) }
}

/** The endpoint that every region has for those outside of Alibaba's network. */
export function publicEndpointOf(region: string): string {
  return `https://oss-${region}.aliyuncs.com`
}
