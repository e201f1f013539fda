import { hash, randomBytes } from 'node:crypto'
import type { Dispatcher } from 'undici'
import { type AcsRequest, acs3Authorization } from '../oss/acs-signature.ts'
import { encodeRfc3986 } from '../oss/signature.ts'
import type { AliyunCredential } from './aliyun-credentials.ts'
import { AliyunRefusal } from './aliyun-errors.ts'
import { shortText } from './aliyun-http.ts'
import type { Attempts } from './attempts.ts'

export interface AssumeRoleOptions {
  dispatcher: Dispatcher
  attempt: Attempts
  endpoint: string
  roleArn: string
  /** How long the credentials are to live. */
  seconds: number
  /** Of the RAM user that takes the role. */
  pair: { accessKeyId: string; accessKeySecret: string }
  /** Unix time in milliseconds. */
  now(): number
}

const SESSION = 'attache'
const MOST_ANSWER_BYTES = 64 * 1024

/** AssumeRole: https://www.alibabacloud.com/help/en/ram/developer-reference/api-sts-2015-04-01-assumerole */
export function assumeRole(options: AssumeRoleOptions): () => Promise<AliyunCredential & { diesAt: number }> {
  const { dispatcher, attempt, roleArn, seconds } = options
  const { origin, pathname: path, host } = new URL(options.endpoint)
  const query = new Map([
    ['RoleArn', roleArn],
    ['RoleSessionName', SESSION],
    ['DurationSeconds', String(seconds)],
    ['Format', 'JSON'],
  ])
  const written = [...query].map(([name, value]) => `${name}=${encodeRfc3986(value)}`).join('&')

  return () =>
    attempt(async (signal) => {
      const headers = signed({ method: 'POST', path, query, headers: { host } }, options)
      const answer = await dispatcher.request({ origin, path: `${path}?${written}`, method: 'POST', headers, signal })
      const text = await shortText(answer.body, MOST_ANSWER_BYTES)
      if (answer.statusCode !== 200) throw refusalOf(answer.statusCode, text)
      return credentialOf(text)
    })
}

/** A nonce of its own for each try: STS takes none twice. */
function signed(request: AcsRequest, { pair, now }: AssumeRoleOptions): Record<string, string> {
  const headers = {
    ...request.headers,
    'x-acs-action': 'AssumeRole',
    'x-acs-version': '2015-04-01',
    'x-acs-date': new Date(now()).toISOString().replace(/\.\d+/, ''),
    'x-acs-signature-nonce': randomBytes(16).toString('hex'),
    'x-acs-content-sha256': hash('sha256', ''),
  }
  const authorization = acs3Authorization(pair.accessKeyId, pair.accessKeySecret, { ...request, headers })
  return { ...headers, accept: 'application/json', authorization }
}

function refusalOf(status: number, text: string): AliyunRefusal {
  const { Code = 'without a code', RequestId = 'unknown' } = membersOf(text)
  const [code = '', requestId] = [Code, RequestId].map((member) => String(member).slice(0, 100))
  return new AliyunRefusal({ service: 'STS', status, code, requestId })
}

function credentialOf(text: string): AliyunCredential & { diesAt: number } {
  const { Credentials } = membersOf(text)
  const { AccessKeyId, AccessKeySecret, SecurityToken, Expiration } = (Credentials ?? {}) as Record<string, unknown>
  const diesAt = Date.parse(String(Expiration))
  if (
    ![AccessKeyId, AccessKeySecret, SecurityToken].every((value) => typeof value === 'string') ||
    Number.isNaN(diesAt)
  )
    throw new Error('STS answers without credentials')
  return {
    accessKeyId: String(AccessKeyId),
    accessKeySecret: String(AccessKeySecret),
    securityToken: String(SecurityToken),
    diesAt,
  }
}

/** No part of the text may stand in an error: it may be of credentials. */
function membersOf(text: string): Record<string, unknown> {
  try {
    const members: unknown = JSON.parse(text)
    return typeof members === 'object' && members !== null ? (members as Record<string, unknown>) : {}
  } catch (error) {
    if (error instanceof SyntaxError) return {}
    throw error
  }
}
