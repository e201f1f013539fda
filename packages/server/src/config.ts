import { readFileSync } from 'node:fs'
import { ConfigError } from './errors.ts'
import { SETTINGS, type Values } from './settings.ts'

/** What the files of secrets hold stands beside their paths. */
export interface Config extends Values {
  linkAccessKeySecret: string | undefined
  databasePassword: string | undefined
  s3SecretAccessKey: string | undefined
  ossAccessKeySecret: string | undefined
}

export function readConfig(env: NodeJS.ProcessEnv = process.env): Config {
  refuseUnknown(env)
  const entries = Object.entries(SETTINGS).map(([name, setting]) => [
    name,
    setting.parse(env[setting.env] || undefined),
  ])
  const values = Object.fromEntries(entries) as Values
  refuseHalves(values)
  if (values.linkAccessKeyId?.startsWith('STS.')) {
    throw new ConfigError('ATTACHE_LINK_ACCESS_KEY_ID must not begin with "STS.": that marks session credentials.')
  }
  if (values.downloadLimits === 'revised') {
    values.maxItems = Math.min(values.maxItems, 100)
    values.maxExpirationSeconds = Math.min(values.maxExpirationSeconds ?? 1800, 1800)
  }
  return {
    ...values,
    linkAccessKeySecret: readSecret(SETTINGS.linkAccessKeySecretFile.env, values.linkAccessKeySecretFile),
    databasePassword: readSecret(SETTINGS.databasePasswordFile.env, values.databasePasswordFile),
    s3SecretAccessKey: readSecret(SETTINGS.s3SecretAccessKeyFile.env, values.s3SecretAccessKeyFile),
    ossAccessKeySecret: readSecret(SETTINGS.ossAccessKeySecretFile.env, values.ossAccessKeySecretFile),
  }
}

const PAIRS = [
  ['linkAccessKeyId', 'linkAccessKeySecretFile'],
  ['s3AccessKeyId', 's3SecretAccessKeyFile'],
  ['ossAccessKeyId', 'ossAccessKeySecretFile'],
] as const

/** Settings that make sense only together. */
function refuseHalves(values: Values): void {
  for (const [one, other] of PAIRS) {
    if ((values[one] === undefined) === (values[other] === undefined)) continue
    throw new ConfigError(`${SETTINGS[one].env} and ${SETTINGS[other].env} go together: set both or none.`)
  }
  const needs = (name: keyof typeof SETTINGS, reason: string) => {
    if (values[name] === undefined) throw new ConfigError(`${reason} needs ${SETTINGS[name].env}: set it.`)
  }
  if (values.databaseUrl !== undefined) needs('rootSecretFile', 'ATTACHE_DATABASE_URL')
  if (values.blobs === 's3') needs('s3Bucket', 'ATTACHE_BLOBS=s3')
  if (values.blobs === 'oss')
    for (const name of ['ossBucket', 'ossAccessKeyId'] as const) needs(name, 'ATTACHE_BLOBS=oss')
  if (values.blobs === 'disk' && (values.links === 'direct' || values.delivery === 'redirect')) {
    throw new ConfigError(
      'ATTACHE_LINKS=direct and ATTACHE_DELIVERY=redirect need ATTACHE_BLOBS=s3 or oss: set it, or leave them out.',
    )
  }
  if (values.acceleration === 'nginx' && values.trustedProxies.length === 0) {
    throw new ConfigError('ATTACHE_ACCELERATION=nginx needs ATTACHE_TRUSTED_PROXIES: name the address of that nginx.')
  }
  if (values.blobs !== 'disk' && values.acceleration === 'nginx') {
    throw new ConfigError('ATTACHE_ACCELERATION=nginx is for bytes on disk: leave it out, or set ATTACHE_BLOBS=disk.')
  }
}

// Read by the other programs of this house, not by the service.
const FOREIGN = new Set(['ATTACHE_URL', 'ATTACHE_APP_KEY', 'ATTACHE_APP_SECURITY', 'ATTACHE_PROFILE', 'ATTACHE_LANG'])

function refuseUnknown(env: NodeJS.ProcessEnv): void {
  const known = new Set<string>(Object.values(SETTINGS).map((setting) => setting.env))
  const unknown = Object.keys(env).find((name) => name.startsWith('ATTACHE_') && !known.has(name) && !FOREIGN.has(name))
  if (unknown) throw new ConfigError(`${unknown} is not a setting: see docs/configuration.md for the names.`)
}

function readSecret(env: string, file: string | undefined): string | undefined {
  if (file === undefined) return undefined
  try {
    const secret = readFileSync(file, 'utf8').trim()
    if (secret === '') throw new ConfigError(`${env}: the file is empty.`)
    return secret
  } catch (error) {
    if (error instanceof ConfigError) throw error
    throw new ConfigError(`${env}: can't read ${file}: give a file that this user can read.`, { cause: error })
  }
}
