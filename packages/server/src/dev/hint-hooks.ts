import { pipeline, Transform } from 'node:stream'
import { PATHS } from '@attache/protocol'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import { HINT_HEADER, type Hint, hint, hintHeader, hintLine } from './hint.ts'
import { type Answered, type HintsDeps, hintsFor } from './hints.ts'
import { pathOf, type RequestLog } from './request-log.ts'

export interface HintHooksOptions extends HintsDeps {
  log: RequestLog
  isControl(request: FastifyRequest): boolean
  /** A line for the console. */
  print(line: string): void
}

const LONGEST_KEPT = 64 * 1024
const TOKEN_PATHS: readonly string[] = [PATHS.getAccessToken, PATHS.refreshToken, PATHS.refreshTokenExpireDate]

/** Puts hints on answers, on the console and into the log. They look at what was thrown and sent; no route knows of them. */
export function hintHooks(app: FastifyInstance, options: HintHooksOptions): void {
  const { log, isControl, print, tokens } = options
  const thrown = new WeakMap<FastifyRequest, Error>()
  const texts = new WeakMap<FastifyRequest, () => string | undefined>()

  // There is no request to answer then, only a connection: the console alone can tell.
  app.server.on('clientError', ({ code }: Error & { code?: string }) => {
    if (code === 'ECONNRESET') return
    print(hintLine(unreadableHint(code), { method: '?', path: '?', status: 400 }))
  })

  app.addHook('onRequest', async (request) => {
    if (!isControl(request)) log.came(request)
  })

  // A body that is no JSON is gone when its failure is known.
  app.addHook('preParsing', async (request, _reply, body) => {
    const length = Number(request.headers['content-length'] ?? 0)
    const isJson = request.headers['content-type']?.includes('json')
    if (!isJson || length > LONGEST_KEPT) return body
    const chunks: Buffer[] = []
    let size = 0
    const kept = new Transform({
      transform(chunk: Buffer, _encoding, done) {
        size += chunk.length
        if (size <= LONGEST_KEPT) chunks.push(chunk)
        done(null, chunk)
      },
    })
    texts.set(request, () => (size > LONGEST_KEPT ? undefined : Buffer.concat(chunks).toString('utf8')))
    // A body that breaks off is told by the stream that is handed on.
    return pipeline(body, kept, () => {})
  })

  app.addHook('onError', async (request, _reply, error) => {
    thrown.set(request, error)
  })

  app.addHook('onSend', async (request, reply, payload) => {
    if (isControl(request)) return payload
    const { method } = request
    const path = pathOf(request)
    const { statusCode: status } = reply
    const entry = log.of(request)
    if (status === 200 && TOKEN_PATHS.includes(path)) {
      const { accessToken } = request.query as { accessToken?: string }
      tokens.gave(JSON.parse(String(payload)), path === PATHS.getAccessToken ? undefined : accessToken)
    }
    const text = texts.get(request)?.()
    const answered = { request, reply, path, payload, error: thrown.get(request), text }
    const hints = entry?.fault === undefined ? await hintsOrNone(answered) : [faultHint(entry.fault)]
    entry?.hints.push(...hints)
    log.answered(request, status)
    if (hints.length > 0) reply.header(HINT_HEADER, hintHeader(hints))
    for (const one of hints) print(hintLine(one, { method, path, status }))
    return payload
  })

  /** A hint that can't be given must not change the answer. */
  async function hintsOrNone(answered: Answered): Promise<Hint[]> {
    try {
      return await hintsFor(answered, options)
    } catch (fault) {
      answered.request.log.error({ err: fault }, 'no hint')
      return []
    }
  }
}

function faultHint(fault: string) {
  return hint('fault', `the fault ${fault} was asked for, and met this request`, `该请求命中了预设的故障${fault}`)
}

function unreadableHint(code = 'error') {
  const inUrl = code === 'HPE_INVALID_URL'
  return hint(
    'request-unreadable',
    `a request could not be read (${code})${inUrl ? ': its URL holds characters that must be percent-encoded' : ''}`,
    `请求无法读取（${code}）${inUrl ? '：URL中含有必须百分号编码的字符' : ''}`,
  )
}
