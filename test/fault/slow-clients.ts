/** Callers with a connection each who take their time. */
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { type ClientRequest, type IncomingMessage, request } from 'node:http'
import { text } from 'node:stream/consumers'
import { setTimeout as pause } from 'node:timers/promises'
import { UPLOAD } from '../server.ts'

const BOUNDARY = 'edge'

/** One after the other, as people come. */
export async function arriving<T>(
  { count, everyMs }: { count: number; everyMs: number },
  arrive: () => T,
): Promise<T[]> {
  const arrived: T[] = []
  while (arrived.length < count) {
    arrived.push(arrive())
    await pause(everyMs)
  }
  return arrived
}

export interface SlowUpload {
  /** All but the last bytes are sent. */
  sent: Promise<void>
  finish(): void
  /** Status and body; `undefined` where the connection was cut. */
  answer: Promise<{ status: number; body: string } | undefined>
  abort(): void
}

export interface UploadPlan {
  name: string
  bytes: Uint8Array
  /** Bytes a second at first; all at once without. */
  rate?: number
}

/** Sends all but the last byte, and that when told to. */
export function slowUpload(url: string, token: string, { name, bytes, rate }: UploadPlan): SlowUpload {
  const part = (disposition: string) => `--${BOUNDARY}\r\nContent-Disposition: form-data; ${disposition}\r\n\r\n`
  const head = Buffer.from(`${part('name="name"')}${name}\r\n${part('name="file"; filename="f"')}`)
  const tail = Buffer.from(`\r\n--${BOUNDARY}--\r\n`)
  const asked = request(`${url}${UPLOAD}?accessToken=${token}`, {
    method: 'POST',
    agent: false,
    headers: {
      'content-type': `multipart/form-data; boundary=${BOUNDARY}`,
      'content-length': head.length + bytes.length + tail.length,
    },
  })
  asked.write(head)
  const last = bytes.subarray(-1)
  const sent = trickle(asked, bytes.subarray(0, -1), rate)
  return {
    sent,
    finish: () => void sent.then(() => asked.end(Buffer.concat([last, tail]))),
    answer: answerOf(asked),
    abort: () => asked.destroy(),
  }
}

async function trickle(asked: ClientRequest, bytes: Uint8Array, rate: number | undefined): Promise<void> {
  const step = rate === undefined ? bytes.length : Math.ceil(rate / 10)
  for (let at = 0; at < bytes.length && !asked.destroyed; at += step) {
    const room = asked.write(bytes.subarray(at, at + step))
    if (rate !== undefined) await pause(100)
    if (!room && !asked.destroyed)
      await Promise.race([once(asked, 'drain'), once(asked, 'close')]).catch(() => undefined)
  }
}

async function answerOf(asked: ClientRequest): Promise<{ status: number; body: string } | undefined> {
  try {
    const [answer] = (await once(asked, 'response')) as [IncomingMessage]
    return { status: answer.statusCode ?? 0, body: await text(answer) }
  } catch {
    return undefined
  }
}

export interface SlowRead {
  /** The status, when the headers are there. */
  begun: Promise<number>
  /** SHA-256 of what came, whole or not. */
  ended: Promise<{ whole: boolean; sha256: string; bytes: number }>
  abort(): void
}

/** Reads at most `rate` bytes a second; 0 reads headers and nothing more. */
export function slowRead(url: string, rate: number): SlowRead {
  const asked = request(url, { agent: false })
  asked.end()
  const begun = Promise.withResolvers<number>()
  begun.promise.catch(() => undefined)
  return { begun: begun.promise, ended: readOf(asked, rate, begun), abort: () => asked.destroy() }
}

async function readOf(asked: ClientRequest, rate: number, begun: PromiseWithResolvers<number>) {
  const sum = createHash('sha256')
  let [bytes, whole] = [0, false]
  try {
    const [answer] = (await once(asked, 'response')) as [IncomingMessage]
    begun.resolve(answer.statusCode ?? 0)
    if (rate === 0) await once(answer, 'close')
    else {
      const started = performance.now()
      for await (const chunk of answer as AsyncIterable<Buffer>) {
        sum.update(chunk)
        bytes += chunk.length
        const ahead = (bytes / rate) * 1000 - (performance.now() - started)
        if (ahead > 0) await pause(ahead)
      }
      whole = bytes === Number(answer.headers['content-length'])
    }
  } catch (error) {
    begun.reject(error)
  }
  return { whole, sha256: sum.digest('hex'), bytes }
}
