import { DatabaseError } from 'pg'
import { Failure } from '../errors.ts'

export class PasswordMissing extends Error {
  override readonly name = 'PasswordMissing'

  constructor() {
    super('PostgreSQL asks for a password')
  }
}

// By SQLSTATE: what to do about it.
const ADVICE = new Map([
  ['28P01', 'look at the user in it and at ATTACHE_DATABASE_PASSWORD_FILE'],
  ['28000', 'look at the user in it, and at pg_hba.conf of the server'],
  ['3D000', 'create that database, or name another'],
  ['42501', 'make the user its owner, or let it create tables'],
  ['53300', 'raise max_connections of the server, or lower ATTACHE_DATABASE_CONNECTIONS'],
])

/** What the operator has to mend where the database could not be opened; `undefined` for what no setting mends. */
export function postgresRefusal(error: unknown): string | undefined {
  const chain = chainOf(error)
  const reason = reasonOf(chain) ?? (chain.some((one) => one instanceof Failure) ? reasonOfNetwork(chain) : undefined)
  return reason && `ATTACHE_DATABASE_URL: ${reason}.`
}

function reasonOf(chain: Error[]): string | undefined {
  const refused = chain.find((one) => one instanceof DatabaseError)
  const advice = ADVICE.get(refused?.code ?? '')
  if (refused && advice) return `PostgreSQL says "${refused.message}": ${advice}`
  const missing = chain.find((one) => one instanceof PasswordMissing)
  return missing && `${missing.message}: set ATTACHE_DATABASE_PASSWORD_FILE`
}

function reasonOfNetwork(chain: Error[]): string {
  const [last] = chain.slice(-1)
  const words = last === undefined ? '' : wordsOf(last)
  if (/does not support SSL/.test(words)) {
    return `${words}: switch it on there, or set ATTACHE_DATABASE_TLS=off for one on loopback`
  }
  if (/certificate|altname/i.test(words)) {
    return `its certificate is not trusted (${words}): name who signed it in ATTACHE_DATABASE_CA_FILE`
  }
  return `PostgreSQL can't be used (${words}): look whether it runs, and at host and port`
}

function chainOf(error: unknown): Error[] {
  const chain: Error[] = []
  for (let next = error; next instanceof Error; next = next.cause) chain.push(next)
  return chain
}

/** An error of several addresses at once has a code and no words. */
function wordsOf(error: Error): string {
  return error.message || ('code' in error ? String(error.code) : error.name)
}
