import { DatabaseError } from 'pg'
import { Failure } from '../errors.ts'

const SENTENCES = new Map([
  ['28P01', 'look at the user in it and at ATTACHE_DATABASE_PASSWORD_FILE'],
  ['28000', 'look at the user in it, and at pg_hba.conf of the server'],
  ['3D000', 'create that database, or name another'],
  ['42501', 'the user must own the database, or may not create tables in it'],
  ['53300', 'raise max_connections of the server, or lower ATTACHE_DATABASE_CONNECTIONS'],
])

/** What the operator has to mend where the database could not be opened; `undefined` for what is nobody's setting. */
export function postgresRefusal(error: unknown): string | undefined {
  const chain = chainOf(error)
  const refused = chain.find((one) => one instanceof DatabaseError)
  if (refused) {
    const advice = SENTENCES.get(refused.code ?? '')
    if (advice) return `PostgreSQL says "${refused.message}": ${advice}`
  }
  if (chain.some(({ name }) => name === 'PasswordMissing')) {
    return 'PostgreSQL asks for a password: set ATTACHE_DATABASE_PASSWORD_FILE'
  }
  const last = chain.at(-1)
  if (last === undefined || !chain.some((one) => one instanceof Failure)) return undefined
  const words = wordsOf(last)
  if (/does not support SSL/.test(words)) return `${words}: ATTACHE_DATABASE_TLS=off is for such a one, on loopback`
  if (/certificate|self.signed|altname/i.test(words)) {
    return `the certificate of PostgreSQL is not trusted (${words}): name who signed it in ATTACHE_DATABASE_CA_FILE`
  }
  return `PostgreSQL can't be used (${words}): is it running, and are host and port right`
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
