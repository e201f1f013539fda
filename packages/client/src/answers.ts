import { AttacheError, type ErrorDetail, type ErrorKind } from './errors.ts'
import type { Scrub } from './secrets.ts'

/** An answer that is no success, with as much of its body as was read. */
export interface FailedAnswer {
  status: number
  headers: Headers
  text: string
}

export interface AnswerContext {
  operation: string
  /** The API answers in JSON, the host of the bytes in OSS's XML; whatever stands between may answer anything. */
  plane: 'control' | 'data'
  scrub: Scrub
  /** Unix time in milliseconds, for a Retry-After that is a date. */
  now: number
}

interface Told {
  sentence: string
  /** Whether the sentence is the API's own `errorMessage`. */
  ofApi?: boolean
  code?: string | undefined
  requestId?: string | undefined
  details?: ErrorDetail[] | undefined
  foreign: boolean
}

/** The typed error of an answer, whether its body is JSON, XML, a page or plain text. */
export function errorOfAnswer({ status, headers, text }: FailedAnswer, context: AnswerContext): AttacheError {
  const { operation, plane, scrub, now } = context
  // Before anything is shortened: half a secret would not be known again.
  const told = toldBy(scrub(text))
  const kind = plane === 'control' ? controlKind(status, told) : dataKind(status, told)
  const hint = headers.get('x-attache-hint')
  const sentence = told.sentence || `the server answered ${status} without a reason`
  return new AttacheError(hint ? `${sentence} [${scrub(decoded(hint))}]` : sentence, {
    kind,
    operation,
    status,
    code: told.code,
    requestId: headers.get('x-request-id') ?? headers.get('x-oss-request-id') ?? told.requestId,
    retryAfterSeconds: retryAfter(headers.get('retry-after'), now),
    details: told.details,
  })
}

/** Whether a parsed body is the API's failure in spite of its status: callers know these by a non-empty code. */
export function isFailureBody(body: unknown): boolean {
  return (
    isObject(body) && [body['errorCode'], body['code']].some((code) => !['', '0', '200'].includes(String(code ?? '')))
  )
}

// The published words for a token or a pair that is refused; every other 403 of the API is about what was asked for.
const REFUSED = /未授权|密钥无效/

function controlKind(status: number, { sentence, ofApi, foreign }: Told): ErrorKind {
  if (/单据不存在|单据已删除/.test(sentence)) return 'not-found'
  if (status === 413 || /大小不可超过/.test(sentence)) return 'too-large'
  if (status === 403 && ofApi && !REFUSED.test(sentence)) return 'not-allowed'
  if (status === 401 || status === 403) return 'unauthorized'
  // A path that the server doesn't have: the base URL is wrong, not the caller's id.
  if (status === 404) return foreign || sentence.startsWith('Error 404') ? 'protocol' : 'not-found'
  return kindOfStatus(status)
}

function dataKind(status: number, { code = '', sentence }: Told): ErrorKind {
  if (/^(SecurityTokenExpired|ExpiredToken)$/.test(code) || /request has expired/i.test(sentence)) return 'expired-link'
  if (status === 404) return 'not-found'
  if (status === 401 || status === 403) return 'forbidden'
  if (status === 412 || status === 416) return 'changed'
  return kindOfStatus(status)
}

function kindOfStatus(status: number): ErrorKind {
  if (status === 408) return 'timeout'
  if (status === 429) return 'rate-limited'
  if (status >= 502 && status <= 504) return 'unavailable'
  if (status >= 500) return 'server'
  return status >= 400 ? 'invalid' : 'protocol'
}

function toldBy(text: string): Told {
  const trimmed = text.trim()
  if (trimmed.startsWith('{')) return toldByJson(trimmed)
  if (/<Error[\s>]/.test(trimmed)) return toldByXml(trimmed)
  return { sentence: plainSentence(trimmed), foreign: true }
}

function toldByJson(text: string): Told {
  const body = parsed(text)
  if (!isObject(body)) return { sentence: plainSentence(text), foreign: true }
  const sentence = [body['errorMessage'], body['message'], body['error']].find((one) => typeof one === 'string' && one)
  const code = body['errorCode'] ?? body['code']
  const details = Array.isArray(body['errorDetails']) ? body['errorDetails'].filter(isDetail) : undefined
  return {
    sentence: typeof sentence === 'string' ? shortened(sentence) : '',
    ofApi: sentence !== undefined && sentence === body['errorMessage'],
    code: code === undefined || code === null ? undefined : String(code),
    details,
    foreign: false,
  }
}

/** Only these three elements: the others repeat the signature, the token and the string to sign. */
function toldByXml(text: string): Told {
  const element = (name: string) => new RegExp(`<${name}>([^<]*)</${name}>`).exec(text)?.[1]
  const message = element('Message') ?? ''
  const code = element('Code')
  const sentence = [code, message.replace(/&(lt|gt|amp|quot|apos);/g, (_all, name: string) => ENTITIES[name] ?? '')]
  return {
    sentence: shortened(sentence.filter(Boolean).join(': ')),
    code,
    requestId: element('RequestId'),
    foreign: false,
  }
}

const ENTITIES: Record<string, string> = { lt: '<', gt: '>', amp: '&', quot: '"', apos: "'" }
const LONGEST_SENTENCE = 300

function plainSentence(text: string): string {
  const title = /<title>([^<]*)<\/title>/i.exec(text)?.[1]
  return shortened(
    (title ?? text.replace(/<(style|script)[\s\S]*?<\/\1>/gi, ' ').replace(/<[^>]*>/g, ' '))
      .replace(/\s+/g, ' ')
      .trim(),
  )
}

function shortened(text: string): string {
  const points = [...text.slice(0, 2 * LONGEST_SENTENCE)]
  return points.length > LONGEST_SENTENCE ? `${points.slice(0, LONGEST_SENTENCE).join('')}…` : text
}

/** Seconds, from a number or from a date. */
export function retryAfter(header: string | null, now: number): number | undefined {
  if (header === null) return undefined
  if (/^\s*\d+\s*$/.test(header)) return Number(header)
  const at = Date.parse(header)
  return Number.isNaN(at) ? undefined : Math.max(0, Math.ceil((at - now) / 1000))
}

/** Headers carry no Unicode: the hint is percent-encoded where it has any. */
function decoded(header: string): string {
  try {
    return decodeURIComponent(header)
  } catch {
    return header
  }
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function isDetail(value: unknown): value is ErrorDetail {
  return isObject(value) && typeof value['path'] === 'string' && typeof value['message'] === 'string'
}
