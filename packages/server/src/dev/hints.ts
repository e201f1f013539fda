import { type DownloadLink, type DownloadRequest, PATHS } from '@attache/protocol'
import type { FastifyError, FastifyReply, FastifyRequest } from 'fastify'
import { Failure } from '../errors.ts'
import { OssFailure } from '../oss/failure.ts'
import type { RecordStore } from '../records/record-store.ts'
import { documentHints } from './document-hints.ts'
import { type Hint, hint } from './hint.ts'
import { type LinkHintsDeps, linkHint } from './link-hints.ts'
import { unknownPathHint, wrongMethodHint } from './path-hints.ts'
import {
  contentTypeHint,
  formHint,
  itemHints,
  jsonHint,
  missingPartHints,
  nameHint,
  suspectExpirations,
} from './request-hints.ts'
import { secretHint, type TokenHintsDeps, unauthorizedHint } from './token-hints.ts'
import { whyNot } from './why-not.ts'

export interface HintsDeps extends LinkHintsDeps, Omit<TokenHintsDeps, 'apps'> {
  records: RecordStore
  /** Bytes. */
  maxUploadBytes: number
}

/** A request with its answer, which has not left yet. */
export interface Answered {
  request: FastifyRequest
  reply: FastifyReply
  path: string
  payload: unknown
  /** What was thrown, if anything was. */
  error: Error | undefined
  /** The text of a short JSON body that could not be read. */
  text: string | undefined
}

/** What the caller should know about this answer; nothing for one that is as it should be. */
export async function hintsFor(answered: Answered, deps: HintsDeps): Promise<Hint[]> {
  const { request, reply, path, error } = answered
  const { statusCode: status } = reply
  if (error instanceof OssFailure) return listed(await linkHint(error, request, deps))
  if (status === 404) return [unknownPathHint(path)]
  if (status === 405) return [wrongMethodHint(request.method, reply.getHeader('allow'))]
  if (error) return failureHints(error, answered, deps)
  if (status !== 200 || path !== PATHS.downloadUrls) return []
  return [...(await droppedHints(answered, deps)), ...suspectExpirations(request.body, deps.now())]
}

// What Fastify throws before a route of ours runs.
const FROM_FASTIFY: Record<string, string> = {
  FST_ERR_CTP_INVALID_MEDIA_TYPE: 'UnsupportedMediaType',
  FST_ERR_CTP_BODY_TOO_LARGE: 'BodyTooLarge',
  FST_ERR_CTP_EMPTY_JSON_BODY: 'InvalidJson',
}

async function failureHints(error: Error, answered: Answered, deps: HintsDeps): Promise<Hint[]> {
  const { request, path, text } = answered
  const thrown = error instanceof Failure ? error.code : ((error as FastifyError).code ?? '')
  const code = FROM_FASTIFY[thrown] ?? thrown
  const details = (error instanceof Failure && error.details) || []
  switch (code) {
    case 'Unauthorized':
      return [unauthorizedHint(request, { ...deps, apps: deps.records.apps })]
    case 'InvalidSecret':
      return [await secretHint(request, { ...deps, apps: deps.records.apps })]
    case 'TooManyAttempts':
      return [hint('too-many-attempts', 'too many wrong secrets within a minute', '一分钟内密钥错误次数过多')]
    case 'UnsupportedMediaType':
      return [contentTypeHint(request, path)]
    case 'MalformedRequest':
      return path === PATHS.upload ? [formHint(request, error.message)] : []
    case 'MissingPart':
      return missingPartHints(details)
    case 'InvalidName':
      return [nameHint(details)]
    case 'InvalidJson':
      // Without a Content-Type there is no parser, and so no body.
      return request.headers['content-type'] === undefined
        ? [contentTypeHint(request, path)]
        : [jsonHint(text, details)]
    case 'FileTooLarge':
    case 'BodyTooLarge':
    case 'TooManyItems':
      return [limitHint(code, error, deps)]
    case 'InvalidItems':
      return path === PATHS.downloadUrls ? itemHints(request.body, details) : documentHints(code, answered, deps)
    default:
      return documentHints(code, answered, deps)
  }
}

function limitHint(code: string, { message }: Error, { maxUploadBytes }: HintsDeps): Hint {
  if (code === 'TooManyItems') {
    return hint(
      'too-many-items',
      `too many at once (${message}): send them in several requests`,
      `${message}：请分批请求`,
    )
  }
  return hint(
    'too-large',
    `the body is over the limit: ${maxUploadBytes} bytes for a file, 1 MiB for JSON, 2 MiB for a document, 16 MiB for downloadurls`,
    `请求体超过上限：文件${maxUploadBytes}字节，JSON 1MiB，单据2MiB，downloadurls 16MiB`,
  )
}

const MOST_DROPPED = 20

/** The answer is in the order asked, so what it lacks shows by walking along both. */
async function droppedHints({ request, payload }: Answered, deps: HintsDeps): Promise<Hint[]> {
  const asked = request.body as DownloadRequest[]
  const links = JSON.parse(String(payload)) as DownloadLink[]
  if (links.length === asked.length) return []
  const { corporationId } = request.caller
  const hints: Hint[] = []
  let at = 0
  for (const [index, item] of asked.entries()) {
    const link = links[at]
    if (link?.id === item.id && link.key === item.key) at++
    else if (hints.length < MOST_DROPPED) hints.push(await whyNot(item, { at: `[${index}]`, corporationId }, deps))
  }
  const dropped = asked.length - links.length
  const rest = hint('items-dropped', `${dropped} items were left out of the answer`, `答复中缺少${dropped}项`)
  return [rest, ...hints]
}

function listed(one: Hint | undefined): Hint[] {
  return one === undefined ? [] : [one]
}
