import { Readable } from 'node:stream'
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
import type { LinkBatches } from '../attachments/attachments.ts'
import { Failure, type FailureDetail } from '../errors.ts'
import { auditedCaller } from './audit-trail.ts'

export interface DownloadUrlsDeps {
  attachments: { linkBatches(asked: readonly DownloadRequest[], caller: Caller): Promise<LinkBatches> }
  maxItems: number
}

const BODY_LIMIT = 16 * 1024 * 1024
// A caller that gets one item wrong gets all of them wrong.
const MOST_DETAILS = 8

/** The seed's operation: ids and keys in, links out. */
export function downloadUrlsRoute(app: FastifyInstance, { attachments, maxItems }: DownloadUrlsDeps): void {
  app.post(PATHS.downloadUrls, { bodyLimit: BODY_LIMIT }, async (request, reply) => {
    const { body } = request
    if (!Array.isArray(body)) throw new Failure('InvalidJson', { details: [{ path: '', message: '请求体必须为数组' }] })
    if (body.length > maxItems) throw new Failure('TooManyItems', { message: `单次请求的附件数量不能超过${maxItems}` })
    if (!isDownloadRequests(body)) throw invalidItems(body)
    const batches = await attachments.linkBatches(body, auditedCaller(request))
    const first = await batches.next()
    const second = first.done ? first : await batches.next()
    reply.type('application/json; charset=utf-8')
    // Most answers are one piece, and told with their length.
    if (second.done) return reply.send(Buffer.from(JSON.stringify(first.value ?? [])))
    return reply.send(Readable.from(jsonOf([first.value ?? [], second.value], batches), { objectMode: false }))
  })
}

/** One array, in pieces that are made as fast as they are read. */
async function* jsonOf(ready: readonly DownloadLink[][], rest: LinkBatches): AsyncGenerator<Buffer> {
  let before = '['
  for (const batch of ready) yield piece(batch)
  for await (const batch of rest) yield piece(batch)
  yield Buffer.from(']')

  function piece(batch: readonly DownloadLink[]): Buffer {
    const text = before + JSON.stringify(batch).slice(1, -1)
    before = ','
    return Buffer.from(text)
  }
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
