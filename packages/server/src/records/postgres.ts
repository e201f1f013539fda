import { ConfigError } from '../errors.ts'
import type { RecordDialect } from './dialects.ts'

export interface PostgresOptions {
  /** Without a password. */
  url: string
  password: string | undefined
  tls: 'verify' | 'require' | 'off'
  /** PEM of the authorities to trust instead of Node's own. */
  ca: string | undefined
  /** Most connections at a time. */
  connections: number
}

export function postgres(_options: PostgresOptions): RecordDialect {
  throw new ConfigError('ATTACHE_DATABASE_URL is not built yet.')
}
