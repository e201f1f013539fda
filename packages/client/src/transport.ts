import { errorOfAnswer, type FailedAnswer } from './answers.ts'
import { type Clock, type Watch, watch } from './clock.ts'
import { AttacheError } from './errors.ts'
import { networkError } from './network-errors.ts'
import { scrubber, secretsIn } from './secrets.ts'

export type Fetch = (url: string, init: RequestInit) => Promise<Response>

/** What happened, for a log. Never holds a token, a secret or a signed URL. */
export interface LogEntry {
  event: 'answer' | 'retry' | 'token' | 'resign' | 'resume' | 'restart'
  operation: string
  status?: number
  milliseconds?: number
  /** Of the failure that is tried again, and the pause before it. */
  kind?: AttacheError['kind']
  pauseMilliseconds?: number
  requestId?: string
}

export interface TransportOptions {
  fetch: Fetch
  clock: Clock
  /** What no error may show, besides what stands in the URL of its call. */
  secrets: () => Iterable<string>
  log: (entry: LogEntry) => void
}

export interface Call {
  operation: string
  plane: 'control' | 'data'
  /** Passed on as it is: whoever decodes and encodes a signed link again has broken it. */
  url: string
  init: Pick<RequestInit, 'method' | 'headers' | 'redirect'>
  /** Made anew for every try. `moved`, called as bytes leave, begins the time allowed anew. */
  body?: (moved: () => void) => Pick<RequestInit, 'body'> & { duplex?: 'half' }
  /** Instead of the client's own, for what that can't do. */
  fetch?: (url: string, init: RequestInit, moved: () => void) => Promise<Response>
  repeatable: 'always' | 'unsent'
  /** For one try, to its first byte where the body is read later; from the last bytes sent where these are told. */
  timeoutMilliseconds: number
  signal?: AbortSignal | undefined
}

/** An answer whose body is still to be read. */
export interface OpenAnswer {
  response: Response
  watch: Watch
}

export type Transport = ReturnType<typeof transport>

/** One HTTP exchange, with a limit on its time and every way to fail turned into an `AttacheError`. */
export function transport({ fetch, clock, secrets, log }: TransportOptions) {
  const scrubOf = ({ url }: Call) => scrubber(() => [...secrets(), ...secretsIn(url)])

  /** Sends, and waits for an answer of success; `leftMilliseconds` may allow less than the call does. */
  async function open(call: Call, leftMilliseconds = Number.POSITIVE_INFINITY): Promise<OpenAnswer> {
    const watching = watch(call.signal)
    const started = clock.now()
    const moved = () => watching.start(Math.min(call.timeoutMilliseconds, leftMilliseconds))
    moved()
    try {
      const init = { ...call.init, ...call.body?.(moved), signal: watching.signal }
      const response = await guarded(() => (call.fetch ?? fetch)(call.url, init, moved), { call, watching })
      const requestId = response.headers.get('x-request-id')
      log({
        event: 'answer',
        operation: call.operation,
        status: response.status,
        milliseconds: clock.now() - started,
        ...(requestId !== null && { requestId }),
      })
      if (response.ok) return { response, watch: watching }
      throw await failureOf(response, { call, watching })
    } catch (error) {
      watching.stop()
      throw error
    }
  }

  async function failureOf(response: Response, at: Place): Promise<AttacheError> {
    const { status, headers } = response
    if (response.type === 'opaqueredirect' || (status >= 300 && status < 400)) {
      await response.body?.cancel().catch(() => {})
      const { operation } = at.call
      return new AttacheError('the server redirects to another address', { kind: 'protocol', operation, status })
    }
    const text = await guarded(() => beginningOf(response), at)
    return errorIn({ status, headers, text }, at.call)
  }

  /** Runs what touches the network, and gives its errors a kind and clean words. */
  async function guarded<T>(touch: () => Promise<T>, { call, watching }: Place): Promise<T> {
    try {
      return await touch()
    } catch (error) {
      call.signal?.throwIfAborted()
      const { operation } = call
      if (watching.ranOut())
        throw new AttacheError('nothing came within the time allowed', { kind: 'timeout', operation })
      throw networkError(error, { operation, scrub: scrubOf(call) })
    }
  }

  /** What an answer says that is no success, in spite of its status or because of it. */
  function errorIn(answer: FailedAnswer, call: Call): AttacheError {
    const { operation, plane } = call
    return errorOfAnswer(answer, { operation, plane, scrub: scrubOf(call), now: clock.now() })
  }

  return { open, guarded, errorIn }
}

interface Place {
  call: Call
  watching: Watch
}

const LONGEST_FAILURE_BYTES = 64 * 1024

/** A failure's words are short; whatever else comes with its status is not read. */
async function beginningOf(response: Response): Promise<string> {
  const reader = response.body?.getReader()
  const decoder = new TextDecoder()
  let text = ''
  for (let read = 0; reader !== undefined && read < LONGEST_FAILURE_BYTES; ) {
    const { done, value } = await reader.read()
    if (done) return text + decoder.decode()
    read += value.length
    text += decoder.decode(value, { stream: true })
  }
  await reader?.cancel().catch(() => {})
  return text
}
