/**
 * Reading a request target as OSS does: from the raw text, split at the first `?`, decoded once, not normalised. A
 * router's or `URL`'s reading differs (`%2F`, `..`, repeated parameters) and would break signatures.
 */
export interface Target {
  /** The path as it came, with its leading `/`. */
  rawPath: string
  /** Decoded as a form (`+` is a space); of a repeated name the first stands. A value that can't be decoded stays as it came. */
  query: ReadonlyMap<string, string>
}

export interface ObjectName {
  bucket: string
  key: string
}

export function parseTarget(target: string): Target {
  const mark = target.indexOf('?')
  if (mark === -1) return { rawPath: target, query: new Map() }
  const query = new Map<string, string>()
  for (const pair of target.slice(mark + 1).split('&')) {
    if (pair === '') continue
    const equals = pair.indexOf('=')
    const name = decodeForm(equals === -1 ? pair : pair.slice(0, equals))
    if (!query.has(name)) query.set(name, equals === -1 ? '' : decodeForm(pair.slice(equals + 1)))
  }
  return { rawPath: target.slice(0, mark), query }
}

/**
 * All the objects that a path may mean, likeliest first: `/bucket/key`, the bucket in the host name, or a custom domain
 * that stands for `defaultBucket`; each with `+` as itself and as a space. The signature decides which one was meant.
 * `undefined` when the path is not percent-encoded UTF-8.
 */
export function readingsOf(rawPath: string, host: string, defaultBucket: string): ObjectName[] | undefined {
  const path = decodePath(rawPath)
  if (path === undefined) return undefined
  const readings = readingsOfDecoded(path, host, defaultBucket)
  if (rawPath.includes('+')) {
    const spaced = decodePath(rawPath.replaceAll('+', '%20'))
    if (spaced !== undefined) readings.push(...readingsOfDecoded(spaced, host, defaultBucket))
  }
  return readings
}

function readingsOfDecoded(path: string, host: string, defaultBucket: string): ObjectName[] {
  const whole = path.startsWith('/') ? path.slice(1) : path
  const slash = whole.indexOf('/')
  const pathStyle =
    slash === -1 ? { bucket: whole, key: '' } : { bucket: whole.slice(0, slash), key: whole.slice(slash + 1) }
  const label = hostLabel(host)
  const others: ObjectName[] = []
  if (label !== undefined) others.push({ bucket: label, key: whole })
  if (label !== defaultBucket) others.push({ bucket: defaultBucket, key: whole })
  if (pathStyle.bucket === '') return others
  return pathStyle.bucket === defaultBucket ? [pathStyle, ...others] : [...others, pathStyle]
}

/** The first label of a host name that may name a bucket; not of an address or of a single-label name. */
function hostLabel(host: string): string | undefined {
  const name = host.replace(/:\d*$/, '')
  if (/^[\d.]+$/.test(name) || name.startsWith('[')) return undefined
  const dot = name.indexOf('.')
  return dot > 0 ? name.slice(0, dot) : undefined
}

function decodePath(rawPath: string): string | undefined {
  return rawPath.includes('%') ? decodeOr(rawPath, undefined) : rawPath
}

function decodeForm(text: string): string {
  const spaced = text.includes('+') ? text.replaceAll('+', ' ') : text
  return spaced.includes('%') ? decodeOr(spaced, spaced) : spaced
}

function decodeOr<T>(text: string, fallback: T): string | T {
  try {
    return decodeURIComponent(text)
  } catch (error) {
    if (error instanceof URIError) return fallback
    throw error
  }
}

const STILL_LITERAL = /[!'()*~]/g

/** Percent-encoding that leaves only `A–Z a–z 0–9 - _ .`, as the seed's URLs and the vendor's Java SDK write it. */
export function encodeValue(text: string): string {
  return encodeURIComponent(text).replace(STILL_LITERAL, (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`)
}

/** The same with `/` kept. */
export function encodeKey(key: string): string {
  return encodeValue(key).replaceAll('%2F', '/')
}
