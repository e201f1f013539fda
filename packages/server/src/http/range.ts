/** First and last byte, both included, as in `Content-Range`. */
export interface ByteRange {
  first: number
  last: number
}

/**
 * What a `Range` header asks of `size` bytes. `rfc` is RFC 9110 14.2: the end is clamped, a range without any byte is
 * unsatisfiable, a header that can't be understood asks for the whole. `oss` is the vendor's default (OSS.md 2.2): a
 * range that doesn't lie entirely inside asks for the whole, so nothing is unsatisfiable. Several ranges ask for the
 * whole in both.
 */
export function rangeOf(
  header: string | undefined,
  size: number,
  behaviour: 'rfc' | 'oss',
): 'whole' | 'unsatisfiable' | ByteRange {
  const asked = header === undefined ? undefined : parse(header)
  if (asked === undefined) return 'whole'
  return behaviour === 'rfc' ? clamped(asked, size) : inside(asked, size)
}

/** `bytes=a-b`, `bytes=a-` or `bytes=-n`. */
type Asked = { first: number; last: number | undefined } | { suffix: number }

/** Digit strings past 2^53 lose precision or become Infinity; no blob is that long, so comparisons still hold. */
function parse(header: string): Asked | undefined {
  const match = /^bytes=(\d*)-(\d*)$/i.exec(header.trim())
  const [, from = '', to = ''] = match ?? []
  if (from === '') return to === '' ? undefined : { suffix: Number(to) }
  const first = Number(from)
  const last = to === '' ? undefined : Number(to)
  return last !== undefined && first > last ? undefined : { first, last }
}

/**
 * `-n` of an empty blob counts as satisfiable in RFC 9110 14.1.2, but no `Content-Range` can say it: unsatisfiable
 * here.
 */
function clamped(asked: Asked, size: number): 'unsatisfiable' | ByteRange {
  if ('suffix' in asked) {
    if (asked.suffix === 0 || size === 0) return 'unsatisfiable'
    return { first: Math.max(0, size - asked.suffix), last: size - 1 }
  }
  if (asked.first >= size) return 'unsatisfiable'
  return { first: asked.first, last: Math.min(asked.last ?? size - 1, size - 1) }
}

function inside(asked: Asked, size: number): 'whole' | ByteRange {
  if ('suffix' in asked) {
    if (asked.suffix === 0 || asked.suffix > size) return 'whole'
    return { first: size - asked.suffix, last: size - 1 }
  }
  const last = asked.last ?? size - 1
  return asked.first >= size || last >= size ? 'whole' : { first: asked.first, last }
}
