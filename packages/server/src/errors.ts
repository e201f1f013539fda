/** A refusal that the caller caused or can wait out. Its code is a key of the one table below; anything else thrown is a fault: logged whole, answered 500 without detail. */
export class Failure extends Error {
  override readonly name = 'Failure'
  readonly code: FailureCode
  readonly details: FailureDetail[] | undefined
  readonly retryAfterSeconds: number | undefined

  constructor(code: FailureCode, options: FailureOptions = {}) {
    super(options.message ?? FAILURES[code].message, options.cause === undefined ? undefined : { cause: options.cause })
    this.code = code
    this.details = options.details
    // Callers take Retry-After for the word that nothing was done: where that isn't known, it is not said.
    const again = FAILURES[code].status === 503 && code !== 'StoredPerhaps'
    this.retryAfterSeconds = options.retryAfterSeconds ?? (again ? 1 : undefined)
  }

  get status(): number {
    return FAILURES[this.code].status
  }
}

export interface FailureOptions {
  message?: string
  details?: FailureDetail[]
  retryAfterSeconds?: number
  cause?: unknown
}

/** `path` names the offending element as in `[3].expiration`, or the part of a form. */
export interface FailureDetail {
  path: string
  message: string
}

/** Sentences are the published ones where one is published (docs/contract.md). */
export const FAILURES = {
  InvalidName: { status: 400, message: '参数name不能为空，且必须为合法的文件名' },
  InvalidItems: { status: 400, message: '请求参数不正确' },
  TooManyItems: { status: 400, message: '单次请求的附件数量超过上限' },
  Infected: { status: 400, message: '文件未通过安全扫描，已拒绝保存' },
  InvalidParameter: { status: 400, message: '请求参数不正确' },
  UnknownAttachment: { status: 400, message: '附件不存在' },
  CodeTaken: { status: 400, message: '单据编号code已存在单据，不允许重复，请检查' },
  OuterCodeTaken: { status: 400, message: '外部系统单据编号outerCode已存在单据，不允许重复，请检查' },
  ListedDocumentUnknown: { status: 400, message: '单据不存在' },
  MalformedRequest: { status: 400, message: '请求格式不正确' },
  Unauthorized: { status: 403, message: '未授权' },
  InvalidSecret: { status: 403, message: '密钥无效' },
  QuotaExceeded: { status: 403, message: '本企业的附件存储已达配额上限，请联系管理员' },
  NotFound: { status: 404, message: 'Error 404 Not Found' },
  MethodNotAllowed: { status: 405, message: 'Error 405 Method Not Allowed' },
  InvalidJson: { status: 412, message: 'JSON请求参数不正确' },
  FileTooLarge: { status: 412, message: '上传附件大小不可超过30Mb' },
  MissingPart: { status: 412, message: '空指针异常' },
  DocumentUnknown: { status: 412, message: '单据不存在' },
  DocumentRemoved: { status: 412, message: '单据已删除' },
  BodyTooLarge: { status: 413, message: '413 Request Entity Too Large' },
  UnsupportedMediaType: { status: 415, message: '不支持的Content-Type' },
  TooManyAttempts: { status: 429, message: '密钥错误次数过多，请稍后再试' },
  RateLimited: { status: 429, message: '请求过于频繁，已超过本企业每分钟的配额，请稍后再试' },
  StorageUnavailable: { status: 503, message: '存储暂不可用，请稍后重试' },
  StoredPerhaps: { status: 503, message: '存储没有应答，附件可能已保存：请核实后再决定是否重新上传' },
  ReadOnly: { status: 503, message: '存储暂时只读：可以下载和换取链接，不能上传，请联系管理员' },
  StorageFull: { status: 503, message: '存储空间不足，请联系管理员' },
  ScannerUnavailable: { status: 503, message: '安全扫描暂不可用，请稍后重试' },
  RendererBusy: { status: 503, message: '缩略图服务繁忙，请稍后重试' },
  DocumentBusy: { status: 503, message: '单据正在被其他请求修改，请稍后重试' },
  Draining: { status: 503, message: '服务正在停止，请稍后重试' },
} as const satisfies Record<string, { status: number; message: string }>

export type FailureCode = keyof typeof FAILURES

/** A setting or a file of the operator's that can't be used, with what to do about it. The process ends with exit code 2. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError'
}

/** Where stores were to be found there are none, and the caller wanted none made. */
export class NoStore extends Error {
  override readonly name = 'NoStore'
  /** A file, a directory or a table. */
  readonly missing: string

  constructor(missing: string) {
    super(`${missing} is missing`)
    this.missing = missing
  }
}

/** Whether the operating system refused a call: a path, an address or a permission is wrong, or a disk. */
export function isAnySystemError(error: unknown): error is Error & { code: string } {
  return error instanceof Error && 'syscall' in error && 'code' in error && typeof error.code === 'string'
}

/** Whether a call to the operating system failed with this code, such as `ENOENT`. */
export function isSystemError(error: unknown, code: string): boolean {
  return error instanceof Error && 'code' in error && error.code === code
}
