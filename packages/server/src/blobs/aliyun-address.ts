import { Failure } from '../errors.ts'
import { signedQuery } from '../oss/request-signing.ts'
import { encodeValue } from '../oss/target.ts'
import type { AliyunCredential, AliyunCredentials } from './aliyun-credentials.ts'
import type { AliyunPlace } from './aliyun-place.ts'
import type { AddressRequest } from './blob-store.ts'

export interface AliyunAddressOptions {
  /** Of the endpoint that others reach; it is never asked anything. */
  place: AliyunPlace
  bucket: string
  region: string
  signature: 'v4' | 'v1'
  credentials: AliyunCredentials
  /** Unix time in milliseconds. */
  now(): number
}

// https://www.alibabacloud.com/help/en/oss/developer-reference/add-signatures-to-urls: of V4 seven days at most.
const MOST_SECONDS_V4 = 604_800

// What GetObject and HeadObject let a query say of the answer.
const OVERRIDES = new Set([
  'cache-control',
  'content-disposition',
  'content-encoding',
  'content-language',
  'content-type',
  'expires',
])

/** Addresses with a signature in the query, which die at the very second that was asked, or are not given. */
export function aliyunAddress({ place, bucket, region, signature: version, credentials, now }: AliyunAddressOptions) {
  return async (key: string, asked: AddressRequest): Promise<string | undefined> => {
    const { method, expiresAt } = asked
    const query = queryOf(asked)
    const time = now()
    const lives = expiresAt - Math.floor(time / 1000)
    if (query === undefined || !Number.isSafeInteger(expiresAt) || lives < 1) return undefined
    if (version === 'v4' && lives > MOST_SECONDS_V4) return undefined
    const credential = await livingOf(credentials)
    // A link dies with the credential that signed it.
    if (credential === undefined || (credential.diesAt ?? Number.POSITIVE_INFINITY) < expiresAt * 1000) return undefined
    const signed = signedQuery(
      { method, bucket, key, query, headers: {}, expiresAt },
      { version, region, credential, now: time },
    )
    const written = [...signed].map(([name, value]) => `${name}=${encodeValue(value)}`)
    return `${place.origin}${place.path(key)}?${written.join('&')}`
  }
}

/** Where STS can't be reached there is no address, which is no reason to give no link at all. */
async function livingOf(credentials: AliyunCredentials): Promise<AliyunCredential | undefined> {
  try {
    return await credentials.current()
  } catch (error) {
    if (error instanceof Failure) return undefined
    throw error
  }
}

/** What the answer is to be; `undefined` where OSS can't make it so. */
function queryOf({ method, headers, process }: AddressRequest): Map<string, string> | undefined {
  const entries = Object.entries(headers)
  if (entries.some(([name, value]) => !OVERRIDES.has(name) || /[^ -~]/.test(value))) return undefined
  // https://www.alibabacloud.com/help/en/oss/developer-reference/getobject takes a process, HeadObject does not.
  if (process !== undefined && method !== 'GET') return undefined
  const query = new Map(entries.map(([name, value]) => [`response-${name}`, value]))
  return process === undefined ? query : query.set('x-oss-process', process)
}
