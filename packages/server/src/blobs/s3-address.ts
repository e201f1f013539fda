import { GetObjectCommand, type S3Client } from '@aws-sdk/client-s3'
import { getSignedUrl, S3RequestPresigner } from '@aws-sdk/s3-request-presigner'
import type { AddressRequest } from './blob-store.ts'

export interface S3AddressOptions {
  /** Of the endpoint that others reach; it is never asked anything. */
  client: S3Client
  bucket: string
  /** Unix time in milliseconds. */
  now(): number
}

export type S3Address = (key: string, asked: AddressRequest) => Promise<string | undefined>

// https://docs.aws.amazon.com/AmazonS3/latest/userguide/using-presigned-url.html: seven days at most.
const MOST_SECONDS = 604_800

// What GetObject and HeadObject let a query say of the answer.
const OVERRIDES = new Set([
  'cache-control',
  'content-disposition',
  'content-encoding',
  'content-language',
  'content-type',
  'expires',
])

/** Addresses with a signature in the query, which die at the very second that was asked, or are not given. */
export function s3Address({ client, bucket, now }: S3AddressOptions): S3Address {
  const signer = new S3RequestPresigner({ ...client.config })
  let base: Promise<URL> | undefined

  return async (key, { method, expiresAt, headers, process }) => {
    const second = Math.floor(now() / 1000)
    const expiresIn = expiresAt - second
    const query = overrides(headers)
    if (process !== undefined || query === undefined) return undefined
    if (!Number.isInteger(expiresIn) || expiresIn < 1 || expiresIn > MOST_SECONDS) return undefined
    const { expiration } = await client.config.credentials()
    if (expiration !== undefined && expiration.getTime() < expiresAt * 1000) return undefined
    base ??= baseOf(client, bucket)
    const { protocol, hostname, port, pathname } = await base
    const place = { protocol, hostname, ...(port && { port: Number(port) }), path: pathname + key }
    const signingDate = new Date(second * 1000)
    const signed = await signer.presign({ method, ...place, headers: {}, query }, { expiresIn, signingDate })
    return addressOf(signed.query as Record<string, string>, { ...place, port })
  }
}

/** Where the objects of the bucket are. The SDK's own way asks its rules for endpoints, which takes ten times as long as to sign. */
async function baseOf(client: S3Client, bucket: string): Promise<URL> {
  const url = new URL(await getSignedUrl(client, new GetObjectCommand({ Bucket: bucket, Key: 'x' })))
  url.pathname = url.pathname.slice(0, -1)
  return url
}

function overrides(headers: Readonly<Record<string, string>>): Record<string, string> | undefined {
  const entries = Object.entries(headers)
  if (entries.some(([name, value]) => !OVERRIDES.has(name) || /[^ -~]/.test(value))) return undefined
  return Object.fromEntries(entries.map(([name, value]) => [`response-${name}`, value]))
}

interface Place {
  protocol: string
  hostname: string
  port: string
  path: string
}

function addressOf(query: Record<string, string>, { protocol, hostname, port, path }: Place): string {
  const written = Object.entries(query).map(([name, value]) => `${name}=${encodeURIComponent(value)}`)
  return `${protocol}//${hostname}${port && `:${port}`}${path}?${written.join('&')}`
}
