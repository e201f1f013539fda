import type { Clock, Watch } from './clock.ts'
import { type ContentFacts, type Part, partOf, sameContents } from './contents.ts'
import { AttacheError, isAttacheError, isTransient } from './errors.ts'
import { pauseBefore, type RetryPolicy } from './retry.ts'
import type { Call, LogEntry, OpenAnswer, Transport } from './transport.ts'

/** Bytes of an attachment as they come. After a restart `at` is 0 again, and `facts` may be of other contents. */
export interface Arrival {
  facts: ContentFacts
  at: number
  bytes: Uint8Array
}

export interface ArrivalsOptions {
  transport: Transport
  clock: Clock
  random: () => number
  policy: RetryPolicy
  stallMilliseconds: number
  log: (entry: LogEntry) => void
  /** A link to the attachment; a new one, when the last was refused. */
  link(renewed: boolean): Promise<string>
  signal?: AbortSignal | undefined
  /** What is there already, of which contents. */
  from?: Part
}

const NO_BYTES = new Uint8Array()
const MOST_RENEWALS = 2

/**
 * Follows an attachment to its end: through cuts and stalls, by Range and If-Match from where it broke off, with a new link
 * when one has expired. Gives an arrival without bytes at each opening, so that its reader knows early what is coming.
 */
export async function* arrivals(options: ArrivalsOptions): AsyncGenerator<Arrival, void, undefined> {
  const { clock, log, signal, stallMilliseconds } = options
  let { at, facts } = options.from ?? { at: 0, facts: {} }
  const attempts = attemptsOf(options)
  for (;;) {
    try {
      const opened = await openAt({ at, facts }, options, attempts)
      if (opened.at < at) log({ event: 'restart', operation: 'download' })
      else if (at > 0) log({ event: 'resume', operation: 'download' })
      at = opened.at
      facts = opened.facts
      for await (const bytes of bodyOf(opened, { transport: options.transport, stallMilliseconds })) {
        yield { facts, at, bytes }
        at += bytes.length
        if (bytes.length > 0) attempts.progressed()
      }
      if (facts.size === undefined || at >= facts.size) return
      throw new AttacheError(`the connection ended after ${at} of ${facts.size} bytes`, {
        kind: 'network',
        operation: 'download',
      })
    } catch (error) {
      const pause = await attempts.pauseAfter(error)
      if (isAttacheError(error) && error.kind === 'changed') [at, facts] = [0, {}]
      await clock.sleep(pause, signal)
    }
  }
}

interface Attempts {
  /** Whether the next opening needs a new link. */
  renew: boolean
  progressed(): void
  /** Milliseconds before the next try; throws `error` when there is none. */
  pauseAfter(error: unknown): Promise<number>
}

/** Counts what failed since bytes last came. */
function attemptsOf({ clock, policy, random, log }: ArrivalsOptions): Attempts {
  let [failures, renewals, since] = [0, 0, clock.now()]
  return {
    renew: false,
    progressed() {
      ;[failures, renewals, since] = [0, 0, clock.now()]
    },
    async pauseAfter(error) {
      if (!isAttacheError(error)) throw error
      if (error.kind === 'expired-link' || error.kind === 'forbidden') {
        if (++renewals > MOST_RENEWALS) throw error
        this.renew = true
        log({ event: 'resign', operation: 'download' })
        return 0
      }
      const made = { count: ++failures, elapsedMilliseconds: clock.now() - since, repeatable: 'always' } as const
      const pause =
        error.kind === 'changed' && failures < policy.tries ? 0 : pauseBefore(error, made, { policy, random })
      if (pause === undefined || !(isTransient(error) || error.kind === 'changed')) throw error
      log({ event: 'retry', operation: 'download', kind: error.kind, pauseMilliseconds: pause })
      return pause
    },
  }
}

interface Opened extends Part, OpenAnswer {
  call: Call
}

async function openAt({ at, facts }: Part, options: ArrivalsOptions, attempts: Attempts): Promise<Opened> {
  const { transport, signal, stallMilliseconds } = options
  const renewed = attempts.renew
  const url = await options.link(renewed)
  attempts.renew = false
  const resumed = at > 0 && facts.etag !== undefined
  const call: Call = {
    operation: 'download',
    plane: 'data',
    url,
    // Compressed on the way, an answer has neither length nor ETag. Nothing else may be added: OSS signs Content-Type and x-oss-….
    init: {
      headers: { 'accept-encoding': 'identity', ...(resumed && { range: `bytes=${at}-`, 'if-match': facts.etag }) },
    },
    repeatable: 'always',
    timeoutMilliseconds: stallMilliseconds,
    signal,
  }
  const opened = await transport.open(call)
  try {
    const part = partOf(opened.response, resumed ? at : 0)
    if (part.at === 0) return { ...opened, ...part, call }
    if (!sameContents(facts, part.facts)) {
      throw new AttacheError('the attachment has changed', { kind: 'changed', operation: 'download' })
    }
    return { ...opened, at: part.at, facts: { ...part.facts, ...facts }, call }
  } catch (error) {
    await leave(opened)
    throw error
  }
}

/** The body after a chunk of no bytes, with a limit on the silence between two. Closes the connection when its reader leaves early. */
async function* bodyOf(
  { response, watch, call }: OpenAnswer & { call: Call },
  { transport, stallMilliseconds }: { transport: Transport; stallMilliseconds: number },
): AsyncGenerator<Uint8Array, void, undefined> {
  const reader = response.body?.getReader()
  try {
    yield NO_BYTES
    for (;;) {
      watch.start(stallMilliseconds)
      const next = await transport.guarded(async () => reader?.read(), { call, watching: watch })
      watch.pause()
      if (next === undefined || next.done) return
      if (next.value.length > 0) yield next.value
    }
  } finally {
    watch.stop()
    await reader?.cancel().catch(() => {})
  }
}

async function leave({ response, watch }: { response: Response; watch: Watch }): Promise<void> {
  watch.stop()
  await response.body?.cancel().catch(() => {})
}
