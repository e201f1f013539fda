import { parseHttpDate } from './date.ts'

/** As Node gives them: names in lower case, a repeated list header joined by commas. */
export interface ConditionalHeaders {
  'if-match'?: string | undefined
  'if-none-match'?: string | undefined
  'if-modified-since'?: string | undefined
  'if-unmodified-since'?: string | undefined
}

/** What the selected representation has: `etag` as it is sent, with its quotes. */
export interface Validators {
  etag: string
  lastModifiedMs: number
}

export type Condition = 'proceed' | 'not-modified' | { failed: 'If-Match' | 'If-Unmodified-Since' }

/**
 * What the conditions of a GET or HEAD of an existing object come to, in the order of RFC 9110 13.2.2. As OSS does: ETags
 * may lack their quotes, MD5s compare in either case, and a malformed or future If-Modified-Since is ignored.
 */
export function conditionOf(headers: ConditionalHeaders, validators: Validators, now: number): Condition {
  const match = headers['if-match']
  const noneMatch = headers['if-none-match']
  const lastModified = wholeSeconds(validators.lastModifiedMs)
  if (match !== undefined) {
    if (!names(match, validators.etag, 'strong')) return { failed: 'If-Match' }
  } else {
    const unmodifiedSince = dateOf(headers['if-unmodified-since'], now)
    if (unmodifiedSince !== undefined && lastModified > unmodifiedSince) return { failed: 'If-Unmodified-Since' }
  }
  if (noneMatch !== undefined) return names(noneMatch, validators.etag, 'weak') ? 'not-modified' : 'proceed'
  const modifiedSince = dateOf(headers['if-modified-since'], now)
  if (modifiedSince === undefined || modifiedSince > now) return 'proceed'
  return lastModified <= modifiedSince ? 'not-modified' : 'proceed'
}

/**
 * Whether `Range` counts under this `If-Range` (RFC 9110 13.1.5): one strong ETag or the exact Last-Modified. The date is
 * a strong validator here, because an object never changes.
 */
export function rangeApplies(ifRange: string | undefined, validators: Validators, now: number): boolean {
  if (ifRange === undefined) return true
  const date = parseHttpDate(ifRange, now)
  if (date !== undefined) return date === wholeSeconds(validators.lastModifiedMs)
  return tagsOf(ifRange).length === 1 && lists(ifRange, validators.etag, 'strong')
}

type Comparison = 'strong' | 'weak'

/** `*` names whatever exists. */
function names(list: string, etag: string, comparison: Comparison): boolean {
  return list.trim() === '*' || lists(list, etag, comparison)
}

function lists(list: string, etag: string, comparison: Comparison): boolean {
  const [own] = tagsOf(etag)
  return own !== undefined && tagsOf(list).some((tag) => same(tag, own, comparison))
}

interface Tag {
  opaque: string
  weak: boolean
}

function same(a: Tag, b: Tag, comparison: Comparison): boolean {
  return a.opaque === b.opaque && (comparison === 'weak' || !(a.weak || b.weak))
}

const QUOTED_OR_BARE = /(W\/)?(?:"([^"]*)"|([^\s,"]+))/g

function tagsOf(list: string): Tag[] {
  return Array.from(list.matchAll(QUOTED_OR_BARE), ([, weak, quoted, bare]) => ({
    opaque: folded(quoted ?? bare ?? ''),
    weak: weak !== undefined,
  }))
}

/** An MD5, or a multipart one with its `-400`, is the same in either case. */
function folded(opaque: string): string {
  return /^[\da-f]{32}(-\d+)?$/i.test(opaque) ? opaque.toUpperCase() : opaque
}

function dateOf(header: string | undefined, now: number): number | undefined {
  return header === undefined ? undefined : parseHttpDate(header, now)
}

function wholeSeconds(ms: number): number {
  return ms - (ms % 1000)
}
