/** Takes out of a text what must never stand in an error or a log. */
export type Scrub = (text: string) => string

// Neither class takes a backslash: what is cleaned may be JSON inside JSON, and has to stay that.
const PARAMETERS =
  /\b(accessToken|refreshToken|appSecurity|Signature|security-token|OSSAccessKeyId|x-oss-[a-z-]+|x-amz-[a-z-]+)((?:=|%3D)|\\?["']?\s*:\s*\\?["'])[^&\s"'<>\\]+/gi
const URL_QUERIES = /(https?:\/\/[^\s"'<>?\\]*)\?[^\s"'<>\\]*/gi

/** Knows some secrets, and what secrets look like in what servers and proxies echo. */
export function scrubber(secrets: () => Iterable<string>): Scrub {
  return (text) => {
    let clean = text
    for (const secret of secrets()) {
      for (const form of new Set([secret, encodeURIComponent(secret)])) clean = clean.replaceAll(form, '…')
    }
    return clean.replace(URL_QUERIES, '$1?…').replace(PARAMETERS, '$1$2…')
  }
}

const SHORTEST_SECRET = 12

/** The values in a URL's query that are long enough to be secrets: as they stand, and decoded. */
export function secretsIn(url: string): string[] {
  const values = [...new URLSearchParams(url.split('?').slice(1).join('?')).values()]
  return values.filter((value) => value.length >= SHORTEST_SECRET)
}
