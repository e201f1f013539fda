/**
 * A `Content-Disposition` value (RFC 6266) that any client can read: a quoted ASCII fallback, then the true name by RFC
 * 8187. The value is plain ASCII whatever the name holds, so it can't break or add a header.
 */
export function contentDisposition(type: 'inline' | 'attachment', name: string): string {
  const wellFormed = name.toWellFormed()
  return `${type}; filename="${fallback(wellFormed)}"; filename*=UTF-8''${extValue(wellFormed)}`
}

/**
 * One `_` for each code point that isn't printable ASCII, and for those that clients disagree on inside quotes (RFC 6266
 * appendix D): `"` and `\`, which some don't unescape; `%`, which some decode; `/`, which some take for a path.
 */
function fallback(name: string): string {
  return name.replace(/[^ -~]|["\\%/]/gu, '_')
}

/** Percent-encoded UTF-8; stricter than attr-char, which would let `!` stand. */
function extValue(name: string): string {
  return encodeURIComponent(name).replace(/['()*!]/g, (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`)
}
