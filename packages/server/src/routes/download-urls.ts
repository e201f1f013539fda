import {
  type DownloadLink,
  type DownloadRequest,
  isDownloadRequests,
  MAX_EXPIRATION_SECONDS,
  PATHS,
  wrongDownloadFields,
} from '@attache/protocol'
import type { FastifyInstance } from 'fastify'
import type { Caller } from '../attachments/access-tokens.ts'
import { Failure, type FailureDetail } from '../errors.ts'
import { auditedCaller } from './audit-trail.ts'

export interface DownloadUrlsDeps {
  attachments: { links(asked: readonly DownloadRequest[], caller: Caller): Promise<DownloadLink[]> }
  maxItems: number
}

const BODY_LIMIT = 16 * 1024 * 1024
const LINKS_AT_A_TIME = 1000
// A caller that gets one item wrong gets all of them wrong.
const MOST_DETAILS = 8

/** The seed's operation: ids and keys in, links out. */
export function downloadUrlsRoute(app: FastifyInstance, { attachments, maxItems }: DownloadUrlsDeps): void {
  app.post(PATHS.downloadUrls, { bodyLimit: BODY_LIMIT }, async (request, reply) => {
    const { body } = request
    if (!Array.isArray(body)) throw new Failure('InvalidJson', { details: [{ path: '', message: '请求体必须为数组' }] })
    if (body.length > maxItems) throw new Failure('TooManyItems', { message: `单次请求的附件数量不能超过${maxItems}` })
    if (!isDownloadRequests(body)) throw invalidItems(body)
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

const WANTED = {
  id: '必须为非空字符串',
  key: '必须为非空字符串',
  expiration: `必须为1到${MAX_EXPIRATION_SECONDS}之间的整数，单位秒`,
}

function invalidItems(items: readonly unknown[]): Failure {
  const details: FailureDetail[] = []
  for (const [index, item] of items.entries()) {
    const wrong = wrongDownloadFields(item)
    if (wrong === undefined) details.push({ path: `[${index}]`, message: '必须为对象' })
    else details.push(...wrong.map((field) => ({ path: `[${index}].${field}`, message: WANTED[field] })))
    if (details.length >= MOST_DETAILS) break
  }
  return new Failure('InvalidItems', { message: `${details[0]?.path}${details[0]?.message}`, details })
}
