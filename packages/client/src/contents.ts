import { AttacheError } from './errors.ts'

/** What the first answer of a download says of the whole attachment, and later answers are held to. */
export interface ContentFacts {
  /** In bytes. Unknown when the answer was compressed on the way, or gives no length. */
  size?: number
  /** Strong and quoted, good for If-Match; without one a download can't be resumed. */
  etag?: string
  /** CRC-64/XZ of the whole, unsigned decimal. */
  crc64?: string
  /** MD5 of the whole, lower-case hex. */
  md5?: string
  contentType?: string
}

export interface Part {
  /** Of the first byte of the body. */
  at: number
  facts: ContentFacts
}

/** What an answer to a request from byte `asked` gives: where its body begins and what it says of the whole. */
export function partOf({ status, headers }: Response, asked: number): Part {
  const range = /^bytes (\d+)-(\d+)\/(\d+|\*)$/.exec(headers.get('content-range') ?? '')
  if (status === 206 && (range === null || Number(range[1]) !== asked)) {
    throw new AttacheError('the answer is another range than was asked for', {
      kind: 'changed',
      operation: 'download',
      status,
    })
  }
  const facts = factsOf(headers)
  if (status !== 206) return { at: 0, facts }
  const { size: _ofThePart, ...whole } = facts
  const total = Number(range?.[3])
  return { at: asked, facts: { ...whole, ...(Number.isSafeInteger(total) && { size: total }) } }
}

function factsOf(headers: Headers): ContentFacts {
  const encoded = !['', 'identity'].includes(headers.get('content-encoding') ?? '')
  const length = headers.get('content-length')
  const etag = headers.get('etag')
  const crc64 = headers.get('x-oss-hash-crc64ecma')
  const md5 = md5In(headers)
  const contentType = headers.get('content-type')
  return {
    ...(length !== null && !encoded && { size: Number(length) }),
    // Bytes of an encoded answer are no range of the stored ones.
    ...(etag?.startsWith('"') && !encoded && { etag }),
    ...(crc64 !== null && { crc64 }),
    ...(md5 !== undefined && { md5 }),
    ...(contentType !== null && { contentType }),
  }
}

/** An ETag is an MD5 only where OSS says so: not of multipart objects, and not of those that a key service encrypted. */
function md5In(headers: Headers): string | undefined {
  const stated = headers.get('content-md5')
  if (stated !== null && /^[\w+/]{22}==$/.test(stated))
    return [...atob(stated)].map((character) => hex(character.charCodeAt(0))).join('')
  const normal = headers.get('x-oss-object-type') === 'Normal' && headers.get('x-oss-server-side-encryption') !== 'KMS'
  return normal ? /^"([0-9A-F]{32})"$/i.exec(headers.get('etag') ?? '')?.[1]?.toLowerCase() : undefined
}

function hex(byte: number): string {
  return byte.toString(16).padStart(2, '0')
}

/** Whether two answers speak of the same bytes, as far as both say. */
export function sameContents(one: ContentFacts, other: ContentFacts): boolean {
  return (['etag', 'size', 'crc64', 'md5'] as const).every(
    (field) => one[field] === undefined || other[field] === undefined || one[field] === other[field],
  )
}

/** The digests of what came. Without MD5, as in a browser, CRC-64 and the length decide. */
export interface Digests {
  size: number
  crc64: string
  md5?: string
}

export function isRight(came: Digests, facts: ContentFacts): boolean {
  return differences(came, facts).length === 0
}

function differences(came: Digests, { size, crc64, md5 }: ContentFacts): string[] {
  return [
    size !== undefined && size !== came.size && `${came.size} bytes instead of ${size}`,
    crc64 !== undefined && crc64 !== came.crc64 && `CRC-64 ${came.crc64} instead of ${crc64}`,
    md5 !== undefined && came.md5 !== undefined && md5 !== came.md5 && `MD5 ${came.md5} instead of ${md5}`,
  ].filter((sentence) => sentence !== false)
}

/** Throws `integrity` unless what came is what the server said it would send. */
export function verify(came: Digests, facts: ContentFacts): void {
  const wrong = differences(came, facts)
  if (wrong.length === 0) return
  throw new AttacheError(`the bytes are not the stored ones: ${wrong.join(', ')}`, {
    kind: 'integrity',
    operation: 'download',
  })
}
