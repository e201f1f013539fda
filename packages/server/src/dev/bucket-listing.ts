import { OssFailure } from '../oss/failure.ts'
import { encodeValue } from '../oss/target.ts'
import { type XmlContent, xmlOf } from '../oss/xml.ts'
import type { ListQuery, MemoryBucket, StoredObject } from './bucket.ts'

const MOST_LISTED = 1000
const USUALLY_LISTED = 100

/** What ListObjectsV2 answers; without `delimiter`. */
export function bucketListing(bucket: MemoryBucket, name: string, query: ReadonlyMap<string, string>): string {
  const most = Number(query.get('max-keys') ?? USUALLY_LISTED)
  if (!(most >= 1 && most <= MOST_LISTED))
    throw new OssFailure('InvalidArgument', { elements: { ArgumentName: 'max-keys' } })
  const encode = query.get('encoding-type') === 'url' ? encodeValue : (text: string) => text
  const listing: ListQuery = {
    prefix: query.get('prefix') ?? '',
    after: afterOf(query.get('continuation-token')) ?? query.get('start-after') ?? '',
    most,
  }
  const { objects, truncated } = bucket.list(listing)
  const next = truncated ? Buffer.from(objects.at(-1)?.key ?? '').toString('base64') : undefined
  const facts: XmlContent = [
    ['Name', name],
    ['Prefix', encode(listing.prefix)],
    ['MaxKeys', most],
    ...(query.has('encoding-type') ? [['EncodingType', 'url'] as const] : []),
    ['IsTruncated', String(truncated)],
    ['KeyCount', objects.length],
    ...(next === undefined ? [] : [['NextContinuationToken', next] as const]),
    ...objects.map((object) => ['Contents', contentOf(object, encode)] as const),
  ]
  return xmlOf('ListBucketResult', facts)
}

function contentOf({ key, bytes, etag, modifiedAt, type }: StoredObject, encode: (text: string) => string): XmlContent {
  return [
    ['Key', encode(key)],
    // Some SDKs take no other milliseconds.
    ['LastModified', `${new Date(modifiedAt).toISOString().slice(0, 19)}.000Z`],
    ['ETag', etag],
    ['Type', type],
    ['Size', bytes.length],
    ['StorageClass', 'Standard'],
  ]
}

function afterOf(token: string | undefined): string | undefined {
  return token && Buffer.from(token, 'base64').toString()
}
