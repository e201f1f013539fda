import { Readable } from 'node:stream'
import { realTiming, TimedOut, type Timing } from './attempts.ts'

export interface WholeBodyOptions {
  /** In bytes; fewer or more are an error. */
  length: number
  /** For a reader that waits; one that is slow itself is not hurried. */
  stallMilliseconds?: number
  /** Aborted when nobody waits for it any longer. */
  signal?: AbortSignal
  timing?: Timing
}

/** The body of a store's answer was not what its head promised. */
export class BrokenBody extends Error {
  override readonly name = 'BrokenBody'
}

const STALL_MS = 30_000

/**
 * Passes a body on and counts it: one that ends early, runs over, breaks or stalls is an error of the stream, never a
 * short end. Resolves with the first bytes, so that a body that never begins can still be asked for again. Destroying
 * it destroys the source.
 */
export async function wholeBody(source: Readable, options: WholeBodyOptions): Promise<Readable> {
  const begun = Promise.withResolvers<void>()
  const body = counted(source, { ...options, onBegin: begun.resolve })
  // Stays: an error that comes before the reader listens is told by the stream when it is read.
  body.on('error', begun.reject)
  options.signal?.addEventListener('abort', () => body.destroy(new BrokenBody('nobody waits for this body')))
  await begun.promise
  return body
}

function counted(source: Readable, options: WholeBodyOptions & { onBegin(): void }): Readable {
  const { length, stallMilliseconds = STALL_MS, timing = realTiming, onBegin } = options
  let received = 0
  let stopWaiting = () => {}

  function wait(): void {
    stopWaiting()
    stopWaiting = timing.after(stallMilliseconds, () => fail(new TimedOut(`a body stalled at byte ${received}`)))
  }

  function fail(error: Error): void {
    body.destroy(error)
  }

  const body = new Readable({
    read() {
      wait()
      source.resume()
    },
    destroy(error, done) {
      stopWaiting()
      // Before the first bytes nobody holds the stream yet.
      source.destroy()
      done(error)
    },
  })
  source.on('data', (chunk: Uint8Array) => {
    received += chunk.length
    stopWaiting()
    if (received > length) return fail(new BrokenBody(`a body has more than the ${length} bytes of its head`))
    onBegin()
    if (body.push(chunk)) wait()
    else source.pause()
  })
  source.once('error', (cause) => fail(new BrokenBody(`a body broke at byte ${received} of ${length}`, { cause })))
  source.once('end', () => {
    if (received < length) return fail(new BrokenBody(`a body ended at byte ${received} of ${length}`))
    stopWaiting()
    onBegin()
    body.push(null)
  })
  source.once('close', () => {
    if (received < length) fail(new BrokenBody(`a body ended at byte ${received} of ${length}`))
  })
  // Nothing asks for bytes before the first ones are there.
  wait()
  return body
}
