import { isIP } from 'node:net'
import { resolve } from 'node:path'
import { ConfigError } from './errors.ts'

/** One environment variable: its page in the docs and its reader. */
export interface Setting<T> {
  env: string
  /** What the table in docs/configuration.md shows as the default. */
  shown: string
  about: string
  parse(text: string | undefined): T
}

function bad(env: string, value: string, wanted: string): ConfigError {
  return new ConfigError(`${env}=${JSON.stringify(value)} can't be used: give ${wanted}.`)
}

export function text(env: string, fallback: string, about: string): Setting<string> {
  return { env, shown: `\`${fallback}\``, about, parse: (value) => value ?? fallback }
}

export function optionalText(env: string, about: string): Setting<string | undefined> {
  return { env, shown: 'none', about, parse: (value) => value }
}

export function path(env: string, fallback: string, about: string): Setting<string> {
  return { env, shown: `\`${fallback}\``, about, parse: (value) => resolve(value ?? fallback) }
}

export function optionalPath(env: string, shown: string, about: string): Setting<string | undefined> {
  return { env, shown, about, parse: (value) => (value === undefined ? undefined : resolve(value)) }
}

export function pattern(env: string, fallback: string, shape: RegExp, about: string): Setting<string> {
  const parse = (value: string = fallback) => {
    if (!shape.test(value)) throw bad(env, value, `what matches ${shape.source}`)
    return value
  }
  return { env, shown: `\`${fallback}\``, about, parse }
}

export function url(env: string, shown: string, about: string): Setting<string | undefined> {
  const parse = (value: string | undefined) => {
    if (value === undefined) return undefined
    const parsed = URL.parse(value)
    const plain =
      parsed !== null && /^https?:$/.test(parsed.protocol) && !parsed.search && !parsed.hash && !parsed.username
    if (!plain) throw bad(env, value, 'a URL such as https://attache.example.com')
    return value.replace(/\/+$/, '')
  }
  return { env, shown, about, parse }
}

export function whole(
  env: string,
  fallback: number,
  [least, most]: [number, number],
  about: string,
  shown = `\`${fallback}\``,
): Setting<number> {
  const parse = (value: string | undefined) => (value === undefined ? fallback : wholeOf(env, value, least, most))
  return { env, shown, about, parse }
}

export function optionalWhole(
  env: string,
  [least, most]: [number, number],
  about: string,
): Setting<number | undefined> {
  const parse = (value: string | undefined) => (value === undefined ? undefined : wholeOf(env, value, least, most))
  return { env, shown: 'none', about, parse }
}

function wholeOf(env: string, value: string, least: number, most: number): number {
  const number = /^\d{1,16}$/.test(value) ? Number(value) : Number.NaN
  if (!(number >= least && number <= most)) throw bad(env, value, `a whole number from ${least} to ${most}`)
  return number
}

export function choice<const T extends string>(env: string, values: readonly [T, ...T[]], about: string): Setting<T> {
  const parse = (value: string | undefined) => {
    if (value === undefined) return values[0]
    const chosen = values.find((one) => one === value)
    if (chosen === undefined) throw bad(env, value, `one of ${values.join(', ')}`)
    return chosen
  }
  return { env, shown: `\`${values[0]}\``, about, parse }
}

export function flag(env: string, about: string): Setting<boolean> {
  const parse = (value: string | undefined) => {
    if (value !== undefined && value !== 'true' && value !== 'false') throw bad(env, value, 'true or false')
    return value === 'true'
  }
  return { env, shown: '`false`', about, parse }
}

export function list(env: string, about: string): Setting<string[]> {
  const parse = (value: string | undefined) => {
    const parts = (value ?? '')
      .split(',')
      .map((part) => part.trim())
      .filter(Boolean)
    const wrong = parts.find((part) => !isAddressRange(part))
    if (wrong) throw bad(env, wrong, 'addresses or CIDR ranges such as 10.0.0.0/8')
    return parts
  }
  return { env, shown: 'none', about, parse }
}

function isAddressRange(text: string): boolean {
  const [, address = '', bits = '0'] = /^([^/]+)(?:\/(\d{1,3}))?$/.exec(text) ?? []
  return isIP(address) !== 0 && Number(bits) <= (isIP(address) === 4 ? 32 : 128)
}
