import type { BlockList } from 'node:net'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { servedAs } from '../attachments/served-as.ts'
import type { BlobStore } from '../blobs/blob-store.ts'
import type { Authenticated } from '../oss/authenticate.ts'
import type { AttachmentRecord } from '../records/record-store.ts'

/** Ways for bytes to leave without passing through this process; where none fits they are streamed. */
export interface Delivery {
  /** Sends readers on to the store, where its own address can be had. */
  redirect: Pick<BlobStore, 'address'> | undefined
  /** Lets an nginx in front send the file; only one at a trusted address, because it alone knows what the header means. */
  accelerate: { blobs: Pick<BlobStore, 'path'>; trusted: BlockList } | undefined
}

export interface Delivered {
  request: FastifyRequest
  asked: Authenticated
  record: AttachmentRecord
  /** Headers that the link itself asks for, by their names. */
  overrides: Record<string, string>
  /** Unix time in milliseconds. */
  now: number
}

// Long enough for a slow client to follow, and for ranges of one download to share.
const REDIRECT_SECONDS = 300
// Smaller ones are answered from memory.
const LEAST_ACCELERATED = 64 * 1024
/** The location of the sample for nginx. */
const ACCELERATED = '/attache-data/'

/** Where the store gives these very bytes for a few minutes, never longer than the link lives. A header-signed request has no link. */
export async function addressAtStore(
  { request, asked, record, overrides, now }: Delivered,
  { redirect }: Delivery,
): Promise<string | undefined> {
  if (redirect?.address === undefined || request.method !== 'GET' || asked.expiresAt === undefined) return undefined
  const linkEnds = Math.floor(asked.expiresAt / 1000)
  const expiresAt = Math.min(linkEnds, Math.floor(now / 1000) + REDIRECT_SECONDS)
  const headers = { ...servedAs(record), 'cache-control': 'private, no-cache', ...overrides }
  // A store takes ASCII only for these.
  if (Object.values(headers).some((value) => /[^ -~]/.test(value))) return undefined
  return redirect.address(record.blobId, { method: 'GET', expiresAt, headers })
}

/** 302, and nothing kept of it: the next reader gets an address of its own. */
export function sendRedirect(reply: FastifyReply, address: string): FastifyReply {
  for (const name of Object.keys(reply.getHeaders())) {
    if (/^(content-(type|md5|disposition)|etag|last-modified|accept-ranges)$|^x-oss-(hash|object|storage)/.test(name)) {
      reply.removeHeader(name)
    }
  }
  return reply.header('cache-control', 'private, no-store').redirect(address, 302)
}

const CONDITIONS = ['if-match', 'if-none-match', 'if-modified-since', 'if-unmodified-since', 'if-range']

/**
 * What nginx is told to send. It cuts the range itself; conditions it would judge by facts of the file, which are not
 * ours, so a request with one is answered here, and so is one whose range we read in another way.
 */
export function acceleratedPath(
  { request, record }: Pick<Delivered, 'request' | 'record'>,
  { accelerate }: Delivery,
  whole: boolean,
): string | undefined {
  if (accelerate?.blobs.path === undefined || record.size <= LEAST_ACCELERATED) return undefined
  if (CONDITIONS.some((name) => name in request.headers)) return undefined
  if (whole && 'range' in request.headers) return undefined
  const { remoteAddress = '', remoteFamily } = request.raw.socket
  const family = remoteFamily === 'IPv6' ? 'ipv6' : 'ipv4'
  if (!accelerate.trusted.check(remoteAddress, family)) return undefined
  return ACCELERATED + accelerate.blobs.path(record.blobId)
}
