import { readFileSync } from 'node:fs'
import { isIP } from 'node:net'
import { availableParallelism } from 'node:os'
import { resolve } from 'node:path'
import { ConfigError } from './errors.ts'

interface Setting<T> {
  env: string
  /** What the table in docs/configuration.md shows as the default. */
  shown: string
  about: string
  parse(text: string | undefined): T
}

/** Every setting, in the order of docs/configuration.md. Nothing else reads the environment. */
export const SETTINGS = {
  host: text('ATTACHE_HOST', '127.0.0.1', 'Address to listen on. `0.0.0.0` or `::` opens the service to the network.'),
  port: whole('ATTACHE_PORT', 8700, [0, 65535], 'Port to listen on; `0` takes any free one.'),
  data: path('ATTACHE_DATA', './data', 'Directory of the embedded stores; made with mode 0700.'),
  publicUrl: url(
    'ATTACHE_PUBLIC_URL',
    '`http://HOST:PORT`',
    'Base URL under which callers reach this service; links begin with it.',
  ),
  linkUrl: url(
    'ATTACHE_LINK_URL',
    '`PUBLIC_URL/BUCKET`',
    'Base URL of links when a domain of its own stands for the bucket, such as `https://files.example.com`.',
  ),
  bucket: pattern(
    'ATTACHE_BUCKET',
    'attache',
    /^[a-z0-9][a-z0-9-]{1,61}[a-z0-9]$/,
    'Bucket name in links: 3–63 of a–z, 0–9 and `-`.',
  ),
  region: pattern('ATTACHE_REGION', 'cn-hangzhou', /^[a-z0-9-]{1,64}$/, 'Region that V4 signatures must name.'),
  rootSecretFile: optionalPath(
    'ATTACHE_ROOT_SECRET_FILE',
    '`DATA/root.secret`',
    'File with the secret that all keys are derived from (at least 32 bytes; made with mode 0600 when the default is missing). Keep a copy: without it no link and no appSecurity works.',
  ),
  linkAccessKeyId: optionalText(
    'ATTACHE_LINK_ACCESS_KEY_ID',
    'Permanent AccessKeyId that signs links instead of session credentials.',
  ),
  linkAccessKeySecretFile: optionalPath(
    'ATTACHE_LINK_ACCESS_KEY_SECRET_FILE',
    'none',
    'File with the secret of that permanent pair.',
  ),
  maxUploadBytes: whole(
    'ATTACHE_MAX_UPLOAD_BYTES',
    31_457_280,
    [1, 5_368_709_120],
    'Largest attachment, in bytes; above it 412.',
  ),
  downloadLimits: choice(
    'ATTACHE_DOWNLOAD_LIMITS',
    ['open', 'revised'],
    '`open`: any expiration; `revised`: at most 1800 s and 100 items, as a later public revision of the page has it.',
  ),
  maxItems: whole('ATTACHE_MAX_ITEMS', 10_000, [1, 100_000], 'Most items of one downloadurls request; above it 400.'),
  maxExpirationSeconds: optionalWhole(
    'ATTACHE_MAX_EXPIRATION_SECONDS',
    [1, 8_600_000_000_000],
    'Longest expiration that a caller may ask for, in seconds; above it 400.',
  ),
  tokenLifeSeconds: whole(
    'ATTACHE_TOKEN_LIFE_SECONDS',
    7200,
    [60, 31_536_000],
    'Life of an access token from getAccessToken, in seconds.',
  ),
  badSecretsPerMinute: whole(
    'ATTACHE_BAD_SECRETS_PER_MINUTE',
    20,
    [1, 10_000],
    'Wrong secrets a minute per appKey and address before 429. Right ones are never limited.',
  ),
  strictSignatures: flag(
    'ATTACHE_STRICT_SIGNATURES',
    'Refuse HEAD by a GET signature and an unsigned Content-Type on reads, as OSS does.',
  ),
  rangeBehaviour: choice(
    'ATTACHE_RANGE',
    ['rfc', 'oss'],
    "`rfc`: clamp and 416 (RFC 9110); `oss`: a range that overshoots answers 200 with the whole object, OSS's own default.",
  ),
  durability: choice(
    'ATTACHE_DURABILITY',
    ['strict', 'relaxed'],
    '`strict`: an upload survives a power loss once it is answered; `relaxed`: no fsync, for data that can be uploaded again.',
  ),
  renderers: whole(
    'ATTACHE_RENDERERS',
    Math.max(1, Math.floor(availableParallelism() / 2)),
    [1, 64],
    'Child processes that render thumbnails (default: one for two cores).',
    'cores / 2',
  ),
  renderQueue: whole(
    'ATTACHE_RENDER_QUEUE',
    64,
    [0, 10_000],
    'Renderings that may wait; above it 503 with Retry-After.',
  ),
  renderMilliseconds: whole(
    'ATTACHE_RENDER_MILLISECONDS',
    5000,
    [100, 60_000],
    'Time that one rendering may take before its process is killed.',
  ),
  renderMemoryMib: whole(
    'ATTACHE_RENDER_MEMORY_MIB',
    512,
    [128, 65_536],
    'Memory of one renderer before it is killed, in MiB (watched on Linux).',
  ),
  maxPixels: whole(
    'ATTACHE_MAX_PIXELS',
    50_000_000,
    [1, 250_000_000],
    'Most pixels of an image that is rendered, frames counted.',
  ),
  avif: flag(
    'ATTACHE_AVIF',
    'Render AVIF images of at most 12 megapixels: decoding one takes far more memory than other formats.',
  ),
  thumbnailCacheMib: whole(
    'ATTACHE_THUMBNAIL_CACHE_MIB',
    1024,
    [0, 1_048_576],
    'Rendered results kept on disk, in MiB.',
  ),
  hotCacheMib: whole(
    'ATTACHE_HOT_CACHE_MIB',
    32,
    [0, 65_536],
    'Memory for small attachments (up to 64 KiB each) that were read lately, in MiB.',
  ),
  trustedProxies: list(
    'ATTACHE_TRUSTED_PROXIES',
    'Addresses or CIDR ranges, comma-separated, whose X-Forwarded-* headers count.',
  ),
  metrics: choice('ATTACHE_METRICS', ['loopback', 'all', 'off'], 'Who may read `/metrics`.'),
  logLevel: choice(
    'ATTACHE_LOG_LEVEL',
    ['info', 'debug', 'warn', 'error', 'silent'],
    'Least level of the JSON log on stderr.',
  ),
  drainDelaySeconds: whole(
    'ATTACHE_DRAIN_DELAY_SECONDS',
    0,
    [0, 600],
    'Time after SIGTERM in which the service still listens but `/readyz` answers 503, for a load balancer to notice.',
  ),
  drainSeconds: whole('ATTACHE_DRAIN_SECONDS', 20, [0, 600], 'Time that requests in flight get after SIGTERM.'),
} as const satisfies Record<string, Setting<unknown>>

type Values = { -readonly [K in keyof typeof SETTINGS]: ReturnType<(typeof SETTINGS)[K]['parse']> }

export interface Config extends Values {
  linkAccessKeySecret: string | undefined
}

export function readConfig(env: NodeJS.ProcessEnv = process.env): Config {
  refuseUnknown(env)
  const entries = Object.entries(SETTINGS).map(([name, setting]) => [
    name,
    setting.parse(env[setting.env] || undefined),
  ])
  const values = Object.fromEntries(entries) as Values
  if ((values.linkAccessKeyId === undefined) !== (values.linkAccessKeySecretFile === undefined)) {
    throw new ConfigError(
      'ATTACHE_LINK_ACCESS_KEY_ID and ATTACHE_LINK_ACCESS_KEY_SECRET_FILE go together: set both or none.',
    )
  }
  if (values.linkAccessKeyId?.startsWith('STS.')) {
    throw new ConfigError('ATTACHE_LINK_ACCESS_KEY_ID must not begin with "STS.": that marks session credentials.')
  }
  if (values.downloadLimits === 'revised') {
    values.maxItems = Math.min(values.maxItems, 100)
    values.maxExpirationSeconds = Math.min(values.maxExpirationSeconds ?? 1800, 1800)
  }
  const file = values.linkAccessKeySecretFile
  return {
    ...values,
    linkAccessKeySecret: file === undefined ? undefined : readSecret('ATTACHE_LINK_ACCESS_KEY_SECRET_FILE', file),
  }
}

/** The page docs/configuration.md; `npm run docs` writes it and a test compares it. */
export function configurationPage(): string {
  const rows = Object.values(SETTINGS).map(({ env, shown, about }) => `| \`${env}\` | ${shown} | ${about} |`)
  return `# Configuration

Every setting is an environment variable; none is needed. A value that can't be used ends the process with exit code 2 and a
sentence that says what to change; so does a misspelt \`ATTACHE_…\` name. Secrets come from files, never from the command line.

This page is generated from \`packages/server/src/config.ts\` by \`npm run docs\`.

| setting | default | meaning |
|---|---|---|
${rows.join('\n')}
`
}

// Read by the other programs of this house, not by the service.
const FOREIGN = new Set(['ATTACHE_URL', 'ATTACHE_APP_KEY', 'ATTACHE_APP_SECURITY', 'ATTACHE_PROFILE', 'ATTACHE_LANG'])

function refuseUnknown(env: NodeJS.ProcessEnv): void {
  const known = new Set<string>(Object.values(SETTINGS).map((setting) => setting.env))
  const unknown = Object.keys(env).find((name) => name.startsWith('ATTACHE_') && !known.has(name) && !FOREIGN.has(name))
  if (unknown) throw new ConfigError(`${unknown} is not a setting: see docs/configuration.md for the names.`)
}

function readSecret(env: string, file: string): string {
  try {
    const secret = readFileSync(file, 'utf8').trim()
    if (secret === '') throw new ConfigError(`${env}: the file is empty.`)
    return secret
  } catch (error) {
    if (error instanceof ConfigError) throw error
    throw new ConfigError(`${env}: can't read ${file}: give a file that this user can read.`, { cause: error })
  }
}

function bad(env: string, value: string, wanted: string): ConfigError {
  return new ConfigError(`${env}=${JSON.stringify(value)} can't be used: give ${wanted}.`)
}

function text(env: string, fallback: string, about: string): Setting<string> {
  return { env, shown: `\`${fallback}\``, about, parse: (value) => value ?? fallback }
}

function optionalText(env: string, about: string): Setting<string | undefined> {
  return { env, shown: 'none', about, parse: (value) => value }
}

function path(env: string, fallback: string, about: string): Setting<string> {
  return { env, shown: `\`${fallback}\``, about, parse: (value) => resolve(value ?? fallback) }
}

function optionalPath(env: string, shown: string, about: string): Setting<string | undefined> {
  return { env, shown, about, parse: (value) => (value === undefined ? undefined : resolve(value)) }
}

function pattern(env: string, fallback: string, shape: RegExp, about: string): Setting<string> {
  const parse = (value: string = fallback) => {
    if (!shape.test(value)) throw bad(env, value, `what matches ${shape.source}`)
    return value
  }
  return { env, shown: `\`${fallback}\``, about, parse }
}

function url(env: string, shown: string, about: string): Setting<string | undefined> {
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

function whole(
  env: string,
  fallback: number,
  [least, most]: [number, number],
  about: string,
  shown = `\`${fallback}\``,
): Setting<number> {
  const parse = (value: string | undefined) => (value === undefined ? fallback : wholeOf(env, value, least, most))
  return { env, shown, about, parse }
}

function optionalWhole(env: string, [least, most]: [number, number], about: string): Setting<number | undefined> {
  const parse = (value: string | undefined) => (value === undefined ? undefined : wholeOf(env, value, least, most))
  return { env, shown: 'none', about, parse }
}

function wholeOf(env: string, value: string, least: number, most: number): number {
  const number = /^\d{1,16}$/.test(value) ? Number(value) : Number.NaN
  if (!(number >= least && number <= most)) throw bad(env, value, `a whole number from ${least} to ${most}`)
  return number
}

function choice<const T extends string>(env: string, values: readonly [T, ...T[]], about: string): Setting<T> {
  const parse = (value: string | undefined) => {
    if (value === undefined) return values[0]
    const chosen = values.find((one) => one === value)
    if (chosen === undefined) throw bad(env, value, `one of ${values.join(', ')}`)
    return chosen
  }
  return { env, shown: `\`${values[0]}\``, about, parse }
}

function flag(env: string, about: string): Setting<boolean> {
  const parse = (value: string | undefined) => {
    if (value !== undefined && value !== 'true' && value !== 'false') throw bad(env, value, 'true or false')
    return value === 'true'
  }
  return { env, shown: '`false`', about, parse }
}

function list(env: string, about: string): Setting<string[]> {
  const parse = (value: string | undefined) => {
    const parts = (value ?? '')
      .split(',')
      .map((part) => part.trim())
      .filter(Boolean)
    const wrong = parts.find((part) => isIP(part.replace(/\/\d{1,3}$/, '')) === 0)
    if (wrong) throw bad(env, wrong, 'addresses or CIDR ranges such as 10.0.0.0/8')
    return parts
  }
  return { env, shown: 'none', about, parse }
}
