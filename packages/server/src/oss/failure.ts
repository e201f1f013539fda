/** A refusal on the data plane, rendered as OSS error XML. Codes and sentences are OSS's own. */
export class OssFailure extends Error {
  override readonly name = 'OssFailure'
  readonly code: OssFailureCode
  /** Elements that stand beside Code and Message in the XML, in this order. */
  readonly elements: Record<string, string>
  readonly retryAfterSeconds: number | undefined

  constructor(code: OssFailureCode, options: OssFailureOptions = {}) {
    super(
      options.message ?? OSS_FAILURES[code].message,
      options.cause === undefined ? undefined : { cause: options.cause },
    )
    this.code = code
    this.elements = options.elements ?? {}
    this.retryAfterSeconds = options.retryAfterSeconds
  }

  get status(): number {
    return OSS_FAILURES[this.code].status
  }

  /** The Code element of the XML; several of our codes share one of OSS's. */
  get wireCode(): string {
    const entry: OssFailureEntry = OSS_FAILURES[this.code]
    return entry.wireCode ?? this.code
  }

  get ec(): string | undefined {
    const entry: OssFailureEntry = OSS_FAILURES[this.code]
    return entry.ec
  }
}

export interface OssFailureOptions {
  message?: string
  elements?: Record<string, string>
  retryAfterSeconds?: number
  cause?: unknown
}

interface OssFailureEntry {
  status: number
  message: string
  wireCode?: string
  ec?: string
}

export const OSS_FAILURES = {
  Expired: { status: 403, wireCode: 'AccessDenied', message: 'Request has expired.', ec: '0002-00000069' },
  LinkRevoked: { status: 403, wireCode: 'AccessDenied', message: 'The link has been revoked.' },
  InvalidExpires: {
    status: 403,
    wireCode: 'AccessDenied',
    message: 'Invalid date (should be seconds since epoch).',
    ec: '0002-00000070',
  },
  MissingParameters: {
    status: 403,
    wireCode: 'AccessDenied',
    message: 'Query string authentication requires the Signature, Expires and OSSAccessKeyId parameters',
    ec: '0002-00000067',
  },
  AnonymousObject: {
    status: 403,
    wireCode: 'AccessDenied',
    message: 'You have no right to access this object because of bucket acl.',
    ec: '0003-00000001',
  },
  AnonymousBucket: {
    status: 403,
    wireCode: 'AccessDenied',
    message: 'Anonymous access is forbidden for this operation.',
    ec: '0003-00001201',
  },
  TwoAuthentications: {
    status: 400,
    wireCode: 'InvalidArgument',
    message: 'Only one auth mechanism allowed; only the query string or the Authorization header should be specified',
    ec: '0002-00000039',
  },
  InvalidArgument: { status: 400, message: 'The argument you provided is invalid.' },
  MissingArgument: { status: 400, message: 'An argument is missing.' },
  SignatureDoesNotMatch: {
    status: 403,
    message:
      'The request signature we calculated does not match the signature you provided. Check your key and signing method.',
    ec: '0002-00000040',
  },
  InvalidAccessKeyId: {
    status: 403,
    message: 'The OSS Access Key Id you provided does not exist in our records.',
    ec: '0002-00000902',
  },
  TokenMissing: {
    status: 403,
    wireCode: 'InvalidAccessKeyId',
    message:
      'The OSS Access Key Id you provided does not exist in our records. The Security Token may be lost to specify that it is a STS Access Id.',
    ec: '0002-00000003',
  },
  InvalidSecurityToken: { status: 403, message: 'The security token you provided is invalid.', ec: '0002-00000006' },
  SecurityTokenExpired: { status: 403, message: 'The security token you provided has expired.', ec: '0002-00000007' },
  AccessKeyIdAndSecurityTokenNotMatch: {
    status: 403,
    message: 'The OSS access key id and security token you provided does not match.',
  },
  RequestTimeTooSkewed: {
    status: 403,
    message: 'The difference between the request time and the current time is too large.',
  },
  InvalidRegion: {
    status: 403,
    wireCode: 'AccessDenied',
    message: 'Invalid signing region in Authorization header.',
    ec: '0002-00000235',
  },
  NoSuchKey: { status: 404, message: 'The specified key does not exist.', ec: '0026-00000001' },
  NoSuchBucket: { status: 404, message: 'The specified bucket does not exist.' },
  InvalidObjectName: { status: 400, message: 'The specified object is not valid.' },
  MethodNotAllowed: { status: 405, message: 'The specified method is not allowed against this resource.' },
  PreconditionFailed: { status: 412, message: 'At least one of the pre-conditions you specified did not hold.' },
  InvalidDigest: { status: 400, message: 'The Content-MD5 you specified was invalid.' },
  EntityTooLarge: { status: 400, message: 'Your proposed upload exceeds the maximum allowed size.' },
  EntityTooSmall: { status: 400, message: 'Your proposed upload smaller than the minimum allowed size.' },
  MalformedXML: { status: 400, message: 'The XML you provided was not well-formed.' },
  NoSuchUpload: {
    status: 404,
    message:
      'The specified upload does not exist. The upload ID may be invalid, or the upload may have been aborted or completed.',
  },
  InvalidPart: { status: 400, message: 'One or more of the specified parts could not be found.' },
  InvalidPartOrder: { status: 400, message: 'The list of parts was not in ascending order.' },
  InvalidRange: { status: 416, message: 'The requested range cannot be satisfied' },
  BadRequest: { status: 400, message: 'This image format is not supported.' },
  ImageTooLarge: { status: 400, message: 'The image file is too large.' },
  ImageDamage: { status: 400, message: 'The image file may be damaged.' },
  RendererBusy: {
    status: 503,
    wireCode: 'ServiceUnavailable',
    message: 'Image processing is busy. Please reduce your request rate and try again.',
  },
  QpsLimitExceeded: { status: 503, message: 'Please reduce your request rate.' },
  ServiceUnavailable: { status: 503, message: 'The service is temporarily unavailable. Please try again.' },
  NotImplemented: { status: 400, message: 'A parameter you provided implies functionality that is not implemented.' },
  InternalError: { status: 500, message: 'We encountered an internal error. Please try again.' },
} as const satisfies Record<string, OssFailureEntry>

export type OssFailureCode = keyof typeof OSS_FAILURES
