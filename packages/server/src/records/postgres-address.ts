import { ConfigError } from '../errors.ts'

export interface PostgresAddress {
  host: string
  port: number
  user: string
  database: string
}

const FORM = 'write ATTACHE_DATABASE_URL as postgres://user@host:5432/name'

/** Read here and not by the client, whose reading lets options in the address override those of the settings. */
export function postgresAddress(url: string): PostgresAddress {
  if (!URL.canParse(url)) throw new ConfigError(`ATTACHE_DATABASE_URL can't be read: ${FORM}.`)
  const { protocol, username, password, hostname, port, pathname, search, hash } = new URL(url)
  if (password !== '') {
    throw new ConfigError(
      'ATTACHE_DATABASE_URL holds a password, which other users of this machine could see: put it into a file, and name that in ATTACHE_DATABASE_PASSWORD_FILE.',
    )
  }
  if (protocol !== 'postgres:' && protocol !== 'postgresql:') {
    throw new ConfigError(`ATTACHE_DATABASE_URL does not begin with postgres://: ${FORM}.`)
  }
  if (search !== '' || hash !== '') {
    throw new ConfigError(
      `ATTACHE_DATABASE_URL takes no options after "?": ATTACHE_DATABASE_TLS and its neighbours set them; ${FORM}.`,
    )
  }
  const [user, host, database] = [username, hostname.replace(/^\[(.*)\]$/, '$1'), pathname.slice(1)].map(decoded)
  if (!user || !host || !database) {
    throw new ConfigError(`ATTACHE_DATABASE_URL lacks a user, a host or a name of a database: ${FORM}.`)
  }
  return { host, port: port === '' ? 5432 : Number(port), user, database }
}

function decoded(part: string): string {
  try {
    return decodeURIComponent(part)
  } catch (cause) {
    throw new ConfigError(`ATTACHE_DATABASE_URL can't be read: ${FORM}.`, { cause })
  }
}
