import { Agent, type Dispatcher } from 'undici'

const CONNECT_MS = 2000
// Below the 60 s after which OSS closes a connection that nobody uses.
const KEEP_ALIVE_MS = 30_000

/** Connections, as many as there are readers: those that are slow hold one each, and others must not wait for them. */
export function aliyunAgent(): Agent {
  // Time is kept by attempts.ts and whole-body.ts, which know what is waited for.
  return new Agent({
    connect: { timeout: CONNECT_MS },
    keepAliveTimeout: KEEP_ALIVE_MS,
    headersTimeout: 0,
    bodyTimeout: 0,
  })
}

/** The text of an answer that is known to be short; what is longer is an error. */
export async function shortText(body: Dispatcher.ResponseData['body'], mostBytes: number): Promise<string> {
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of body as AsyncIterable<Buffer>) {
    size += chunk.length
    if (size > mostBytes) throw new Error(`an answer is longer than ${mostBytes} bytes`)
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString()
}

/** One value of a header. */
export function headerOf({ headers }: Pick<Dispatcher.ResponseData, 'headers'>, name: string): string | undefined {
  const value = headers[name]
  return Array.isArray(value) ? value[0] : value
}
