import {
  type DownloadLink,
  type DownloadRequest,
  DownloadRequests,
  MAX_EXPIRATION_SECONDS,
  PATHS,
} from '@attache/protocol'
import type { FastifyInstance } from 'fastify'
import { Compile } from 'typebox/compile'
import type { Caller } from '../attachments/access-tokens.ts'
import { Failure, type FailureDetail } from '../errors.ts'
import { auditedCaller } from './audit-trail.ts'

export interface DownloadUrlsDeps {
  attachments: { links(asked: readonly DownloadRequest[], caller: Caller): Promise<DownloadLink[]> }
  maxItems: number
}

const BODY_LIMIT = 16 * 1024 * 1024
const LINKS_AT_A_TIME = 1000

/** The seed's operation: ids and keys in, links out. */
export function downloadUrlsRoute(app: FastifyInstance, { attachments, maxItems }: DownloadUrlsDeps): void {
  const requests = Compile(DownloadRequests)

  app.post(PATHS.downloadUrls, { bodyLimit: BODY_LIMIT }, async (request, reply) => {
    const { body } = request
    if (!Array.isArray(body)) throw new Failure('InvalidJson', { details: [{ path: '', message: '请求体必须为数组' }] })
    if (body.length > maxItems) throw new Failure('TooManyItems', { message: `单次请求的附件数量不能超过${maxItems}` })
    if (!requests.Check(body)) throw invalidItems(requests.Errors(body))
    const links = await attachments.links(body, auditedCaller(request))
    return reply.type('application/json; charset=utf-8').send(await encoded(links))
  })
}

/** Encoded once: a long string would be walked again for its length and again when it is written. Others get their turn in between. */
async function encoded(links: readonly DownloadLink[]): Promise<Buffer> {
  if (links.length <= LINKS_AT_A_TIME) return Buffer.from(JSON.stringify(links))
  const parts: Buffer[] = []
  for (let from = 0; from < links.length; from += LINKS_AT_A_TIME) {
    const text = JSON.stringify(links.slice(from, from + LINKS_AT_A_TIME)).slice(1, -1)
    parts.push(Buffer.from(`${from === 0 ? '[' : ','}${text}`))
    await new Promise(setImmediate)
  }
  return Buffer.concat([...parts, Buffer.from(']')])
}

interface SchemaError {
  instancePath: string
  keyword: string
  params: object
}

const WANTED: Record<string, string> = {
  id: '必须为非空字符串',
  key: '必须为非空字符串',
  expiration: `必须为1到${MAX_EXPIRATION_SECONDS}之间的整数，单位秒`,
}

function invalidItems(errors: Iterable<SchemaError>): Failure {
  const details = new Map<string, FailureDetail>()
  for (const error of errors) {
    const [, index = '', named] = error.instancePath.split('/')
    const fields =
      named === undefined && 'requiredProperties' in error.params ? error.params.requiredProperties : [named]
    for (const field of fields as (string | undefined)[]) {
      const path = field === undefined ? `[${index}]` : `[${index}].${field}`
      details.set(path, { path, message: field === undefined ? '必须为对象' : (WANTED[field] ?? '不正确') })
    }
  }
  const all = [...details.values()]
  return new Failure('InvalidItems', { message: `${all[0]?.path}${all[0]?.message}`, details: all })
}
