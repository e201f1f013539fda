import { availableParallelism } from 'node:os'
import {
  choice,
  flag,
  list,
  optionalPath,
  optionalText,
  optionalWhole,
  path,
  pattern,
  type Setting,
  text,
  url,
  whole,
} from './setting-kinds.ts'

/** Every setting, in the order of docs/configuration.md. */
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
  databaseUrl: optionalText(
    'ATTACHE_DATABASE_URL',
    'PostgreSQL instead of the embedded SQLite, as `postgres://user@host:5432/name`, without a password. Needs ATTACHE_ROOT_SECRET_FILE, the same on every node.',
  ),
  databasePasswordFile: optionalPath('ATTACHE_DATABASE_PASSWORD_FILE', 'none', 'File with the password of that user.'),
  databaseTls: choice(
    'ATTACHE_DATABASE_TLS',
    ['verify', 'require', 'off'],
    '`verify`: TLS with a certificate that is checked; `require`: TLS with any certificate; `off`: plain TCP, for loopback.',
  ),
  databaseCaFile: optionalPath(
    'ATTACHE_DATABASE_CA_FILE',
    "Node's own list",
    'PEM file with the authorities that may have signed the certificate of PostgreSQL.',
  ),
  databaseConnections: whole(
    'ATTACHE_DATABASE_CONNECTIONS',
    10,
    [2, 500],
    'Most connections to PostgreSQL of one process.',
  ),
  blobs: choice(
    'ATTACHE_BLOBS',
    ['disk', 's3', 'oss'],
    'Where the bytes of attachments are kept: under ATTACHE_DATA, in an S3-compatible store, or in Alibaba OSS.',
  ),
  blobPrefix: pattern(
    'ATTACHE_BLOB_PREFIX',
    'attache/',
    /^([\w-][\w.-]*\/)*$/,
    'What the names of objects in S3 or OSS begin with; ends with `/`.',
  ),
  s3Endpoint: url('ATTACHE_S3_ENDPOINT', 'that of AWS', 'URL of the S3-compatible store.'),
  s3PublicEndpoint: url(
    'ATTACHE_S3_PUBLIC_ENDPOINT',
    '`ATTACHE_S3_ENDPOINT`',
    'URL of the same store for those who download from it directly.',
  ),
  s3Region: pattern('ATTACHE_S3_REGION', 'us-east-1', /^[\w-]{1,64}$/, 'Region of the S3 bucket.'),
  s3Bucket: optionalText('ATTACHE_S3_BUCKET', 'S3 bucket; it must exist.'),
  s3Style: choice(
    'ATTACHE_S3_STYLE',
    ['virtual', 'path'],
    'Whether the bucket stands in the host name or in the path.',
  ),
  s3AccessKeyId: optionalText(
    'ATTACHE_S3_ACCESS_KEY_ID',
    "Access key of S3; without one the SDK's own chain is asked (environment, profile, role of the machine).",
  ),
  s3SecretAccessKeyFile: optionalPath('ATTACHE_S3_SECRET_ACCESS_KEY_FILE', 'none', 'File with the secret of that key.'),
  ossEndpoint: url(
    'ATTACHE_OSS_ENDPOINT',
    'that of the region',
    'URL of OSS for this service, such as `https://oss-cn-hangzhou-internal.aliyuncs.com`.',
  ),
  ossPublicEndpoint: url(
    'ATTACHE_OSS_PUBLIC_ENDPOINT',
    'that of the region',
    'URL of OSS for those who download from it directly.',
  ),
  ossRegion: pattern('ATTACHE_OSS_REGION', 'cn-hangzhou', /^[a-z0-9-]{1,64}$/, 'Region of the OSS bucket.'),
  ossBucket: optionalText('ATTACHE_OSS_BUCKET', 'OSS bucket; it must exist.'),
  ossStyle: choice('ATTACHE_OSS_STYLE', ['virtual', 'path'], 'As ATTACHE_S3_STYLE, for OSS.'),
  ossSignature: choice('ATTACHE_OSS_SIGNATURE', ['v4', 'v1'], 'Version of the signatures that OSS is asked with.'),
  ossAccessKeyId: optionalText(
    'ATTACHE_OSS_ACCESS_KEY_ID',
    'Access key of OSS, or of the RAM user that takes the role.',
  ),
  ossAccessKeySecretFile: optionalPath(
    'ATTACHE_OSS_ACCESS_KEY_SECRET_FILE',
    'none',
    'File with the secret of that key.',
  ),
  ossRoleArn: optionalText(
    'ATTACHE_OSS_ROLE_ARN',
    'RAM role that is taken through STS; without one the access key is used as it is.',
  ),
  ossStsEndpoint: url('ATTACHE_OSS_STS_ENDPOINT', '`https://sts.aliyuncs.com`', 'URL of STS.'),
  ossRoleSeconds: whole(
    'ATTACHE_OSS_ROLE_SECONDS',
    3600,
    [900, 43_200],
    'Life of credentials taken through STS, in seconds.',
  ),
  links: choice(
    'ATTACHE_LINKS',
    ['gateway', 'direct'],
    "`gateway`: links lead here; `direct`: to S3 or OSS where the store's own signature lives as long as was asked, here otherwise.",
  ),
  delivery: choice(
    'ATTACHE_DELIVERY',
    ['stream', 'redirect'],
    'How a link that leads here gives bytes of S3 or OSS: through this service, or by a 302 to an address of the store that lives for minutes.',
  ),
  acceleration: choice(
    'ATTACHE_ACCELERATION',
    ['none', 'nginx'],
    '`nginx`: bytes on disk are sent by the nginx in front (X-Accel-Redirect): docs/operations.md.',
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
    'Rendered results kept on disk, in MiB; with S3 or OSS as many again there, shared by all nodes.',
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
  audit: choice(
    'ATTACHE_AUDIT',
    ['on', 'off'],
    'Whether links that are issued and used, and refusals, are written down under `DATA/audit`: docs/audit.md.',
  ),
  auditFileMib: whole(
    'ATTACHE_AUDIT_FILE_MIB',
    32,
    [1, 1024],
    'Largest file of the audit log, in MiB; each day begins a new one.',
  ),
  auditFiles: whole(
    'ATTACHE_AUDIT_FILES',
    64,
    [2, 100_000],
    'Most files of the audit log, of acts and of refusals each; the oldest is removed.',
  ),
  quotaBytes: optionalWhole(
    'ATTACHE_QUOTA_BYTES',
    [0, Number.MAX_SAFE_INTEGER],
    'Most bytes that one corporation may store; above it 403. `attache-server quota set` gives one its own limits: docs/abuse.md.',
  ),
  quotaAttachments: optionalWhole(
    'ATTACHE_QUOTA_ATTACHMENTS',
    [0, Number.MAX_SAFE_INTEGER],
    'Most attachments of one corporation; above it 403.',
  ),
  quotaRequestsPerMinute: optionalWhole(
    'ATTACHE_QUOTA_REQUESTS_PER_MINUTE',
    [0, 1_000_000_000],
    'Control-plane calls a minute of one corporation, on each node; above it 429.',
  ),
  quotaLinksPerMinute: optionalWhole(
    'ATTACHE_QUOTA_LINKS_PER_MINUTE',
    [0, 1_000_000_000],
    'Links that one corporation may ask for in a minute, on each node; above it 429.',
  ),
  quotaThumbnailsPerMinute: optionalWhole(
    'ATTACHE_QUOTA_THUMBNAILS_PER_MINUTE',
    [0, 1_000_000_000],
    'Thumbnails of one corporation that may be read in a minute, on each node; above it 503.',
  ),
  scanClamd: optionalText(
    'ATTACHE_SCAN_CLAMD',
    'clamd that every upload is scanned by: the path of its socket, or `host:port`.',
  ),
  scanCommand: optionalText(
    'ATTACHE_SCAN_COMMAND',
    'Program that every upload is scanned by instead, with its arguments: it reads the file on stdin and ends with 0 (clean) or 1 (refuse).',
  ),
  scanFailure: choice(
    'ATTACHE_SCAN_FAILURE',
    ['refuse', 'accept'],
    'What becomes of an upload that can not be scanned: 503, or stored unscanned.',
  ),
  scanMilliseconds: whole(
    'ATTACHE_SCAN_MILLISECONDS',
    30_000,
    [10, 600_000],
    'Longest wait for the next step of the scanner.',
  ),
  scansAtOnce: whole('ATTACHE_SCANS_AT_ONCE', 16, [1, 1000], 'Uploads that are scanned at a time.'),
  drainDelaySeconds: whole(
    'ATTACHE_DRAIN_DELAY_SECONDS',
    0,
    [0, 600],
    'Time after SIGTERM in which the service still listens but `/readyz` answers 503, for a load balancer to notice.',
  ),
  drainSeconds: whole('ATTACHE_DRAIN_SECONDS', 20, [0, 600], 'Time that requests in flight get after SIGTERM.'),
} as const satisfies Record<string, Setting<unknown>>

export type Values = { -readonly [K in keyof typeof SETTINGS]: ReturnType<(typeof SETTINGS)[K]['parse']> }

/** The page docs/configuration.md; `npm run docs` writes it and a test compares it. */
export function configurationPage(): string {
  const rows = Object.values(SETTINGS).map(({ env, shown, about }) => `| \`${env}\` | ${shown} | ${about} |`)
  return `# Configuration

Every setting is an environment variable; none is needed. A value that can't be used ends the process with exit code 2 and a
sentence that says what to change; so does a misspelt \`ATTACHE_…\` name. Secrets come from files, never from the command line.

This page is generated from \`packages/server/src/settings.ts\` by \`npm run docs\`.

| setting | default | meaning |
|---|---|---|
${rows.join('\n')}
`
}
