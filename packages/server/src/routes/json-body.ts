import type { FastifyInstance, FastifyRequest } from 'fastify'
import { Failure } from '../errors.ts'
import { isDeeperThan } from '../http/json.ts'

const JSON_DEPTH = 32

/** Reads JSON and nothing else, whatever the charset that is named. */
export function readJsonStrictly(app: FastifyInstance): void {
  const parse = strictParser(app)
  app.removeAllContentTypeParsers()
  app.addContentTypeParser('application/json', { parseAs: 'string' }, (request, body, done) => {
    parse(request, String(body), done)
  })
}

/** The same in a scope whose handlers get `JsonText`. Bytes that are not UTF-8 are refused rather than kept as something else. */
export function keepJsonText(app: FastifyInstance): void {
  const parse = strictParser(app)
  app.removeContentTypeParser('application/json')
  app.addContentTypeParser('application/json', { parseAs: 'buffer' }, (request, body, done) => {
    let text: string
    try {
      text = new TextDecoder('utf-8', { fatal: true }).decode(body as Buffer)
    } catch (cause) {
      return done(new Failure('InvalidJson', { details: [{ path: '', message: '必须为UTF-8编码' }], cause }))
    }
    return parse(request, text, (error, value) => (error ? done(error) : done(null, { text, value })))
  })
}

function strictParser(app: FastifyInstance): StrictParser {
  const parse = app.getDefaultJsonParser('error', 'error')
  return (request, text, done) => {
    if (isDeeperThan(JSON_DEPTH, text))
      return done(new Failure('InvalidJson', { details: [{ path: '', message: `嵌套不能超过${JSON_DEPTH}层` }] }))
    return parse(request, text, (error, value) => (error ? done(new Failure('InvalidJson')) : done(null, value)))
  }
}

type StrictParser = (
  request: FastifyRequest,
  text: string,
  done: (error: Error | null, value?: unknown) => void,
) => void
