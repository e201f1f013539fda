import { BrokenBody } from './whole-body.ts'

/** What the store says it has is not what was sent: sending it again may help. */
export class WrongDigest extends Error {
  override readonly name = 'WrongDigest'
}

// Of connections, as Node names them.
const PASSING_CODES = new Set(
  'ECONNREFUSED ECONNRESET ECONNABORTED EPIPE ETIMEDOUT EHOSTUNREACH ENETUNREACH ENETDOWN EAI_AGAIN ENOTFOUND'.split(
    ' ',
  ),
)
// Refusals below 500 that another try may not meet, and what the SDK calls its own time-outs.
const PASSING_NAMES = new Set(
  'BadDigest OperationAborted RequestTimeout RequestTimeoutException SlowDown Throttling ThrottlingException TimeoutError TooManyRequestsException XAmzContentSHA256Mismatch'.split(
    ' ',
  ),
)
const NOT_IMPLEMENTED = 501
const TOO_MANY_REQUESTS = 429

/** Whether the same request may be answered a moment later. */
export function mayPass(error: unknown): boolean {
  if (error instanceof BrokenBody || error instanceof WrongDigest) return true
  if (!(error instanceof Error)) return false
  if (PASSING_NAMES.has(error.name) || PASSING_CODES.has(codeOf(error))) return true
  const status = statusOf(error)
  return status === TOO_MANY_REQUESTS || (status !== undefined && status >= 500 && status !== NOT_IMPLEMENTED)
}

/** Whether the object is not there; a bucket that is not there is something else. */
export function isMissing(error: unknown): boolean {
  return error instanceof Error && (error.name === 'NoSuchKey' || error.name === 'NotFound')
}

const OTHER_REGION = 'the bucket is in another region: set ATTACHE_S3_REGION, and ATTACHE_S3_ENDPOINT if it is set'
const WRONG_KEY =
  'the store does not know the access key, or not with this secret: mend ATTACHE_S3_ACCESS_KEY_ID and ATTACHE_S3_SECRET_ACCESS_KEY_FILE'
const OLD_SESSION = "the store refuses the session token: look at what the SDK's chain finds"

const SENTENCES: Record<string, string> = {
  NoSuchBucket: 'the bucket does not exist: create it, or mend ATTACHE_S3_BUCKET',
  AccessDenied:
    'the access key may not do this: allow it s3:ListBucket on the bucket, and s3:GetObject, s3:PutObject, s3:DeleteObject and s3:AbortMultipartUpload on its objects',
  InvalidAccessKeyId: WRONG_KEY,
  SignatureDoesNotMatch: WRONG_KEY,
  ExpiredToken: OLD_SESSION,
  InvalidToken: OLD_SESSION,
  PermanentRedirect: OTHER_REGION,
  AuthorizationHeaderMalformed: OTHER_REGION,
  RequestTimeTooSkewed: 'the clocks of this machine and of the store are too far apart: set this one by NTP',
  CredentialsProviderError:
    'no access key was found: set ATTACHE_S3_ACCESS_KEY_ID and ATTACHE_S3_SECRET_ACCESS_KEY_FILE, or give this machine a role',
}

/** What the operator has to mend, in a sentence. Says no more of the answer than its code: the rest repeats the signature. */
export function explained(error: unknown): Error | undefined {
  if (!(error instanceof Error)) return undefined
  const sentence = SENTENCES[error.name]
  return sentence === undefined ? undefined : new StoreRefusal(`S3: ${sentence} (${error.name})`)
}

/** A refusal that lasts until someone mends a setting. */
export class StoreRefusal extends Error {
  override readonly name = 'StoreRefusal'
}

function statusOf(error: Error): number | undefined {
  const { $metadata, $response } = error as {
    $metadata?: { httpStatusCode?: number }
    $response?: { statusCode?: number }
  }
  return $metadata?.httpStatusCode ?? $response?.statusCode
}

function codeOf(error: Error): string {
  return 'code' in error ? String(error.code) : ''
}
