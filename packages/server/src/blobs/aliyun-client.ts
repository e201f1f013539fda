import type { Dispatcher } from 'undici'
import { signedHeaders } from '../oss/request-signing.ts'
import { encodeValue } from '../oss/target.ts'
import { textOf } from '../oss/xml.ts'
import type { AliyunCredential, AliyunCredentials } from './aliyun-credentials.ts'
import { AliyunRefusal } from './aliyun-errors.ts'
import { shortText } from './aliyun-http.ts'
import type { AliyunPlace } from './aliyun-place.ts'

export interface AliyunClientOptions {
  dispatcher: Dispatcher
  place: AliyunPlace
  bucket: string
  region: string
  signature: 'v4' | 'v1'
  credentials: AliyunCredentials
  /** Unix time in milliseconds. */
  now(): number
}

export interface AliyunRequest {
  method: Dispatcher.HttpMethod
  /** Empty for the bucket. */
  key: string
  query?: Record<string, string>
  headers?: Record<string, string>
  body?: Uint8Array
}

/** One signed request; its answer is the caller's to read to the end. Any status but those of success is an `AliyunRefusal`. */
export type AliyunClient = (request: AliyunRequest, signal: AbortSignal) => Promise<Dispatcher.ResponseData>

const MOST_REFUSAL_BYTES = 64 * 1024
// Of a credential that should live: revoked, or this machine's clock is behind.
const STALE = new Set(['SecurityTokenExpired', 'InvalidSecurityToken', 'InvalidAccessKeyId'])

export function aliyunClient(options: AliyunClientOptions): AliyunClient {
  const { dispatcher, place, bucket, region, signature, credentials, now } = options

  async function sendWith(
    credential: AliyunCredential,
    { method, key, query = {}, headers = {}, body }: AliyunRequest,
    signal: AbortSignal,
  ): Promise<Dispatcher.ResponseData> {
    const unsigned = { method, bucket, key, query: new Map(Object.entries(query)), headers }
    const answer = await dispatcher.request({
      origin: place.origin,
      path: place.path(key) + queryOf(query),
      method,
      headers: signedHeaders(unsigned, { version: signature, region, credential, now: now() }),
      body: body ?? null,
      signal,
    })
    if (answer.statusCode >= 200 && answer.statusCode < 300) return answer
    throw await refusalOf(answer)
  }

  return async (request, signal) => {
    const credential = await credentials.current()
    try {
      return await sendWith(credential, request, signal)
    } catch (error) {
      if (!(error instanceof AliyunRefusal) || !STALE.has(error.code) || !credentials.refused(credential)) throw error
    }
    return sendWith(await credentials.current(), request, signal)
  }
}

/** A request whose answer says all in its head. */
export async function finished(
  client: AliyunClient,
  request: AliyunRequest,
  signal: AbortSignal,
): Promise<Dispatcher.ResponseData> {
  const answer = await client(request, signal)
  await answer.body.dump()
  return answer
}

function queryOf(query: Record<string, string>): string {
  const written = Object.entries(query).map(([name, value]) => (value === '' ? name : `${name}=${encodeValue(value)}`))
  return written.length === 0 ? '' : `?${written.join('&')}`
}

/** To HEAD, which has no body, OSS answers the same in a header. */
async function refusalOf({ statusCode, headers, body }: Dispatcher.ResponseData): Promise<AliyunRefusal> {
  const inHeader = headers['x-oss-err']
  const text = await shortText(body, MOST_REFUSAL_BYTES)
  const xml = inHeader === undefined ? text : Buffer.from(String(inHeader), 'base64').toString()
  return new AliyunRefusal({
    service: 'OSS',
    status: statusCode,
    code: textOf(xml, 'Code')?.slice(0, 100) ?? 'without a code',
    ec: textOf(xml, 'EC')?.slice(0, 100),
    requestId: textOf(xml, 'RequestId')?.slice(0, 100),
  })
}
