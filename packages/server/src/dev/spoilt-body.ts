import type { ServerResponse } from 'node:http'
import { Readable } from 'node:stream'
import type { Fault } from './faults.ts'

export type Body = string | Uint8Array | Readable

export interface SpoilOptions {
  fault: Pick<Fault, 'bytesPerSecond' | 'cutAfterBytes' | 'stallAfterBytes'>
  answer: ServerResponse
  /** Ends whatever waits. */
  signal: AbortSignal
}

/** Gives `body` as a slow, a cut or a stalling one. Its declared length stays that of the whole. */
export function spoiltBody(body: Body, options: SpoilOptions): Readable {
  // One byte of room: the generator goes on only when the piece before has gone on to the answer.
  return Readable.from(spoil(body, options), { objectMode: false, highWaterMark: 1 })
}

const PIECE = 16 * 1024

async function* spoil(body: Body, { fault, answer, signal }: SpoilOptions): AsyncGenerator<Uint8Array> {
  const { bytesPerSecond, cutAfterBytes, stallAfterBytes } = fault
  const limit = cutAfterBytes ?? stallAfterBytes ?? Number.POSITIVE_INFINITY
  let sent = 0
  for await (const chunk of chunksOf(body)) {
    for (let at = 0; at < chunk.length && sent < limit; ) {
      const piece = chunk.subarray(at, at + Math.min(PIECE, limit - sent))
      if (bytesPerSecond !== undefined) await pause((piece.length / bytesPerSecond) * 1000, { answer, signal })
      yield piece
      at += piece.length
      sent += piece.length
    }
    if (sent < limit) continue
    if (cutAfterBytes === undefined) await pause(Number.POSITIVE_INFINITY, { answer, signal })
    else await flushed(answer)
    answer.destroy()
    return
  }
}

async function* chunksOf(body: Body): AsyncGenerator<Uint8Array> {
  if (body instanceof Readable) yield* body
  else yield typeof body === 'string' ? Buffer.from(body) : body
}

/** Resolves when all that was written to the answer has left this process: a cut after N bytes shows N bytes. */
async function flushed({ socket }: ServerResponse): Promise<void> {
  await new Promise((resolve) => setImmediate(resolve))
  if (socket === null || socket.destroyed) return
  await new Promise((resolve) => socket.write('', resolve))
}

const LONGEST_TIMER_MS = 2 ** 31 - 1

/** Resolves after `ms`, or when the caller has gone, or at the signal. */
export function pause(ms: number, { answer, signal }: Pick<SpoilOptions, 'answer' | 'signal'>): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(done, Math.min(ms, LONGEST_TIMER_MS))
    answer.once('close', done)
    signal.addEventListener('abort', done, { once: true })
    if (answer.destroyed || signal.aborted) done()

    function done(): void {
      clearTimeout(timer)
      answer.off('close', done)
      signal.removeEventListener('abort', done)
      resolve()
    }
  })
}
