/**
 * What went wrong, in the words a program can act on.
 * - `usage`: the call can't be right; nothing was sent
 * - `network`: no answer, or one that broke off; `timeout`: nothing came for too long
 * - `unauthorized`: the key pair or the token was refused; `not-allowed`: they are right, and the server does not allow this, such as beyond a quota
 * - `invalid`: the server refused the request; `too-large`: because of its size; `rate-limited`: because of too many
 * - `not-found`: no such document, attachment or path
 * - `expired-link`, `forbidden`: the data host refused a link because of its time, or for another reason
 * - `changed`: the attachment is no longer the one that the download began with
 * - `unavailable`: 502–504; `server`: another fault on their side
 * - `protocol`: the answer is not one of this API, such as a proxy's page
 * - `integrity`: the bytes are not the ones that were stored
 */
export type ErrorKind =
  | 'usage'
  | 'network'
  | 'timeout'
  | 'unauthorized'
  | 'not-allowed'
  | 'invalid'
  | 'too-large'
  | 'rate-limited'
  | 'not-found'
  | 'expired-link'
  | 'forbidden'
  | 'changed'
  | 'unavailable'
  | 'server'
  | 'protocol'
  | 'integrity'

/** A field that the server named: `[3].expiration`, and what it says of it. */
export interface ErrorDetail {
  path: string
  message: string
}

export interface ErrorFacts {
  kind: ErrorKind
  /** What was asked for: `upload`, `downloadUrls`, `download`, … */
  operation: string
  /** HTTP status. */
  status?: number | undefined
  /** `errorCode` of the API, `Code` of the data host's XML, or the system's code such as `ECONNREFUSED`. */
  code?: string | undefined
  /** What the server's operator needs to find this in a log. */
  requestId?: string | undefined
  retryAfterSeconds?: number | undefined
  details?: readonly ErrorDetail[] | undefined
  /** Nothing of the request had left this machine. */
  unsent?: boolean | undefined
}

/** Every failure of this client. Holds no token, no secret and no signed URL. A caller's own abort is thrown as it was given. */
export class AttacheError extends Error implements ErrorFacts {
  readonly kind: ErrorKind
  readonly operation: string
  declare readonly status?: number
  declare readonly code?: string
  declare readonly requestId?: string
  declare readonly retryAfterSeconds?: number
  declare readonly details?: readonly ErrorDetail[]
  declare readonly unsent?: boolean

  constructor(sentence: string, facts: ErrorFacts) {
    super(messageOf(sentence, facts))
    this.name = 'AttacheError'
    this.kind = facts.kind
    this.operation = facts.operation
    for (const [name, value] of Object.entries(facts)) if (value !== undefined) Object.assign(this, { [name]: value })
  }

  toJSON(): object {
    return { ...this, message: this.message }
  }
}

const NEXT_STEP: Record<ErrorKind, string> = {
  usage: '',
  network: 'check baseUrl, the network and the proxy, then try again',
  timeout: 'try again, or allow more time',
  unauthorized: 'check appKey and appSecurity, and that baseUrl is the host they were given for',
  'not-allowed': 'ask the operator of the server for what it names, such as a larger quota',
  invalid: 'correct the request',
  'too-large': 'send less at once',
  'rate-limited': 'wait and try again',
  'not-found': 'check the code, id or key, and that it belongs to this corporation',
  'expired-link': 'ask for a new link',
  forbidden: 'pass links on exactly as they came, and ask for a new one',
  changed: 'download it again from the beginning',
  unavailable: 'try again later',
  server: 'tell the operator of the server the request id',
  protocol: 'check that baseUrl is the root of the API and that no proxy answers instead',
  integrity: 'download it again; if that fails too, tell the operator of the server',
}

function messageOf(sentence: string, { kind, operation, status, requestId }: ErrorFacts): string {
  const origin = [status && `HTTP ${status}`, requestId && `request ${requestId}`].filter(Boolean).join(', ')
  const next = NEXT_STEP[kind]
  return `${operation}: ${sentence}${origin && ` (${origin})`}${next && `; ${next}`}`
}

export function isAttacheError(error: unknown): error is AttacheError {
  // By name too: a program may hold two copies of this package.
  return error instanceof AttacheError || (error instanceof Error && error.name === 'AttacheError' && 'kind' in error)
}

/** The key pair or the token was refused, after one fresh token. */
export function isUnauthorized(error: unknown): error is AttacheError & { kind: 'unauthorized' } {
  return isKind(error, 'unauthorized')
}

/** No such document, attachment or path. */
export function isNotFound(error: unknown): error is AttacheError & { kind: 'not-found' } {
  return isKind(error, 'not-found')
}

export function isExpiredLink(error: unknown): error is AttacheError & { kind: 'expired-link' } {
  return isKind(error, 'expired-link')
}

/** The bytes that came are not the ones that were stored; none of them was kept. */
export function isIntegrityError(error: unknown): error is AttacheError & { kind: 'integrity' } {
  return isKind(error, 'integrity')
}

/** The same call may work later: the network, time, load or a fault of the server. */
export function isTransient(error: unknown): boolean {
  return isAttacheError(error) && TRANSIENT.has(error.kind)
}

const TRANSIENT = new Set<ErrorKind>(['network', 'timeout', 'rate-limited', 'unavailable', 'server'])

function isKind<K extends ErrorKind>(error: unknown, kind: K): error is AttacheError & { kind: K } {
  return isAttacheError(error) && error.kind === kind
}
