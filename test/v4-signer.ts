import { createHash, createHmac } from 'node:crypto'
import type { Pair } from './v1-signer.ts'

export interface SignedTargetV4 {
  key: string
  /** When it was signed, Unix time in milliseconds. */
  at: number
  /** Seconds. */
  life: number
  region?: string
  /** Further parameters, decoded. */
  more?: readonly (readonly [string, string])[]
  /** Headers that the signature covers though it need not. */
  additional?: Readonly<Record<string, string>>
}

/** Path and query of a link by OSS4-HMAC-SHA256, from the vendor's page: a signer that shares nothing with ours. */
export function signedTargetV4(pair: Pair, options: SignedTargetV4): string {
  const { key, at, life, region = 'cn-hangzhou', more = [], additional = {} } = options
  const date = new Date(at).toISOString().replace(/[-:]|\.\d+/g, '')
  const scope = `${date.slice(0, 8)}/${region}/oss/aliyun_v4_request`
  const names = Object.keys(additional).sort()
  const query = [
    ['x-oss-signature-version', 'OSS4-HMAC-SHA256'],
    ['x-oss-credential', `${pair.accessKeyId}/${scope}`],
    ['x-oss-date', date],
    ['x-oss-expires', String(life)],
    ['x-oss-security-token', pair.securityToken],
    ...(names.length === 0 ? [] : [['x-oss-additional-headers', names.join(';')]]),
    ...more,
  ]
    .map(([name = '', value = '']) => `${encoded(name)}=${encoded(value)}`)
    .sort()
    .join('&')
  const headers = names.map((name) => `${name}:${additional[name]}\n`).join('')
  const path = `/${pair.bucket}/${encoded(key)}`
  const canonical = `GET\n${path.replaceAll('%2F', '/')}\n${query}\n${headers}\n${names.join(';')}\nUNSIGNED-PAYLOAD`
  const text = `OSS4-HMAC-SHA256\n${date}\n${scope}\n${createHash('sha256').update(canonical).digest('hex')}`
  const keyOfScope = scope
    .split('/')
    .reduce<string | Buffer>(
      (secret, part) => createHmac('sha256', secret).update(part).digest(),
      `aliyun_v4${pair.accessKeySecret}`,
    )
  return `${path}?${query}&x-oss-signature=${createHmac('sha256', keyOfScope).update(text).digest('hex')}`
}

function encoded(text: string): string {
  return encodeURIComponent(text).replace(/[!'()*]/g, (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`)
}
