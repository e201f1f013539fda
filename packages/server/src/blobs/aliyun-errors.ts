import { mayPass as passingConnection, StoreRefusal, WrongDigest } from './s3-errors.ts'

export interface AliyunRefusalFacts {
  service: 'OSS' | 'STS'
  status: number
  code: string
  /** Of Alibaba's error pages: https://api.alibabacloud.com/troubleshoot */
  ec?: string | undefined
  requestId?: string | undefined
}

/** What OSS or STS refused, in no words of its own but codes: the rest of an answer repeats keys and signatures. */
export class AliyunRefusal extends Error {
  override readonly name = 'AliyunRefusal'
  readonly status: number
  readonly code: string
  readonly service: 'OSS' | 'STS'
  readonly ec: string | undefined

  constructor({ service, status, code, ec, requestId }: AliyunRefusalFacts) {
    const more = [ec && `EC ${ec}`, requestId && `request ${requestId}`].filter(Boolean).join(', ')
    super(`${service} answers ${status} ${code}${more && ` (${more})`}`)
    this.status = status
    this.code = code
    this.service = service
    this.ec = ec
  }
}

// Refusals below 500 that another try may not meet.
const PASSING_CODES = new Set(['InvalidDigest', 'OperationAborted', 'RequestTimeout', 'SignatureNonceUsed'])
const PASSING_UNDICI = new Set(
  'UND_ERR_SOCKET UND_ERR_CONNECT_TIMEOUT UND_ERR_HEADERS_TIMEOUT UND_ERR_BODY_TIMEOUT UND_ERR_RES_CONTENT_LENGTH_MISMATCH'.split(
    ' ',
  ),
)
const NOT_IMPLEMENTED = 501
const TOO_MANY_REQUESTS = 429

/** Whether the same request may be answered a moment later. */
export function mayPass(error: unknown): boolean {
  if (error instanceof AliyunRefusal) {
    const { status, code } = error
    if (/^Throttling/.test(code) || PASSING_CODES.has(code)) return true
    return status === TOO_MANY_REQUESTS || (status >= 500 && status !== NOT_IMPLEMENTED)
  }
  if (error instanceof Error && 'code' in error && PASSING_UNDICI.has(String(error.code))) return true
  return passingConnection(error)
}

const CLOCKS = 'the clocks of this machine and of Alibaba are too far apart: set this one by NTP'
const OTHER_REGION = 'the bucket is in another region: mend ATTACHE_OSS_REGION, and ATTACHE_OSS_ENDPOINT if it is set'
const WRONG_KEY =
  'the access key is not known, or not with this secret: mend ATTACHE_OSS_ACCESS_KEY_ID and ATTACHE_OSS_ACCESS_KEY_SECRET_FILE'

// By code, and where a code says too little by EC.
const SENTENCES: Record<string, string> = {
  'OSS NoSuchBucket': 'the bucket does not exist: create it, or mend ATTACHE_OSS_BUCKET',
  'OSS AccessDenied':
    'the access key or role may not do this: allow it oss:ListObjects on the bucket, and oss:GetObject, oss:PutObject, oss:DeleteObject and oss:AbortMultipartUpload on its objects',
  'OSS 0003-00001403': OTHER_REGION,
  'OSS 0002-00000235': OTHER_REGION,
  'OSS InvalidAccessKeyId': WRONG_KEY,
  'OSS SignatureDoesNotMatch': WRONG_KEY,
  'OSS InvalidSecurityToken': 'the credentials of the role are not accepted: look at ATTACHE_OSS_ROLE_ARN',
  'OSS SecurityTokenExpired': CLOCKS,
  'OSS RequestTimeTooSkewed': CLOCKS,
  'OSS PublicEndpointForbidden':
    'the bucket is not served at the public endpoint of its region: set ATTACHE_OSS_ENDPOINT to the internal one',
  'OSS UserDisable': 'Alibaba has suspended the account of the bucket',
  'STS InvalidAccessKeyId.NotFound': WRONG_KEY,
  'STS InvalidAccessKeyId.Inactive': 'the access key is disabled: enable it, or give another',
  'STS SignatureDoesNotMatch': WRONG_KEY,
  'STS NoPermission':
    'the access key may not take the role: allow it sts:AssumeRole, and name it in the trust policy of the role',
  'STS EntityNotExist.Role': 'there is no such role: mend ATTACHE_OSS_ROLE_ARN',
  'STS InvalidParameter.RoleArn': 'this is no ARN of a role: mend ATTACHE_OSS_ROLE_ARN',
  'STS InvalidParameter.DurationSeconds':
    'the role does not live so long: lower ATTACHE_OSS_ROLE_SECONDS, or raise the longest session of the role',
  'STS InvalidTimeStamp.Expired': CLOCKS,
}

/** What the operator has to mend, in a sentence. */
export function explained(error: unknown): Error | undefined {
  if (!(error instanceof AliyunRefusal)) return undefined
  const { service, code, ec, message } = error
  const sentence = SENTENCES[`${service} ${ec}`] ?? SENTENCES[`${service} ${code}`]
  return sentence === undefined ? undefined : new StoreRefusal(`${sentence} (${message})`)
}

/** Sent again, or asked for again, it may be right. */
export function refuseOther(expected: string, told: string): void {
  if (told !== expected) throw new WrongDigest('the store answers with the digest of other bytes')
}
