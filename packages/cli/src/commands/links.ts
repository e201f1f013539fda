import { secondsOf } from '../arguments.ts'
import type { Context } from '../context.ts'
import { EXIT, type ExitCode } from '../exit-codes.ts'
import { refsOf } from '../refs.ts'
import { session } from '../session.ts'
import { printable } from '../words.ts'

const DEFAULT_SECONDS = 1800

/** `links`: one URL a line, in the order asked for; what the server left out is told on stderr. */
export async function links(context: Context): Promise<ExitCode> {
  const { output, say, values, signal } = context
  const expiration = secondsOf(values, 'expiration', say) ?? DEFAULT_SECONDS
  const client = await session(context)
  const refs = await refsOf(client, context)
  // Before the question: what is told here is never later than what the server signs, but for the clocks.
  const expiresAt = new Date(Math.min(Date.now() + expiration * 1000, LAST_DATE)).toISOString()
  const { links: found, missing } = await client.downloadUrls(refs, { expiration, signal })
  for (const { id, key, url, thumbUrl } of found)
    output.result({ type: 'link', id, key, url, thumbUrl, expiresAt }, values['thumb'] === true ? thumbUrl : url)
  for (const { id, key } of missing) {
    output.result({ type: 'missing', id, key })
    output.note(`${say({ en: 'not found', zh: '不存在' })}: ${printable(`${id}:${key}`)}`)
  }
  return missing.length > 0 ? EXIT.notFound : EXIT.ok
}

// ECMA-262: the last moment that a Date holds.
const LAST_DATE = 8_640_000_000_000_000
