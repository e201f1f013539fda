import { isFailureBody } from './answers.ts'
import type { Clock } from './clock.ts'
import { AttacheError } from './errors.ts'
import { pauseBefore, type RetryPolicy } from './retry.ts'
import type { Call, LogEntry, Transport } from './transport.ts'

export interface JsonCallsOptions {
  transport: Transport
  clock: Clock
  random: () => number
  policy: RetryPolicy
  log: (entry: LogEntry) => void
}

/** Gives the parsed answer; for an answer that is not JSON `protocol` is thrown. */
export type JsonCall = (call: Call) => Promise<unknown>

/** Calls whose answer is JSON, tried again where that is safe. */
export function jsonCalls({ transport, clock, random, policy, log }: JsonCallsOptions): JsonCall {
  async function once(call: Call, leftMilliseconds: number): Promise<unknown> {
    // An upload takes as long as its file needs, whatever time all tries may take.
    const { response, watch } = await transport.open(call, call.repeatable === 'always' ? leftMilliseconds : undefined)
    try {
      const text = await transport.guarded(() => response.text(), { call, watching: watch })
      return parsed(text, { response, call })
    } finally {
      watch.stop()
    }
  }

  function parsed(text: string, { response, call }: { response: Response; call: Call }): unknown {
    const { status, headers } = response
    try {
      // The seed's page writes an empty answer like this.
      const body: unknown = JSON.parse(text.trim() === '{[]}' ? '[]' : text)
      if (isFailureBody(body)) throw transport.errorIn({ status: statusIn(body), headers, text }, call)
      return body
    } catch (error) {
      if (error instanceof AttacheError) throw error
      throw transport.errorIn({ status, headers, text: `not JSON: ${text}` }, call)
    }
  }

  return async (call) => {
    const started = clock.now()
    for (let count = 1; ; count++) {
      call.signal?.throwIfAborted()
      try {
        return await once(call, policy.deadlineMilliseconds - (clock.now() - started))
      } catch (failure) {
        if (!(failure instanceof AttacheError)) throw failure
        const made = { count, elapsedMilliseconds: clock.now() - started, repeatable: call.repeatable }
        const pause = pauseBefore(failure, made, { policy, random })
        if (pause === undefined) throw failure
        log({ event: 'retry', operation: call.operation, kind: failure.kind, pauseMilliseconds: pause })
        await clock.sleep(pause, call.signal)
      }
    }
  }
}

function statusIn(body: unknown): number {
  const { errorCode } = body as { errorCode?: unknown }
  return typeof errorCode === 'number' && errorCode >= 400 && errorCode < 600 ? errorCode : 400
}
