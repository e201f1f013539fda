import { AttacheError, type ErrorFacts } from './errors.ts'
import type { Scrub } from './secrets.ts'

// Before these nothing was connected, so nothing was sent.
const UNSENT = /^(ECONNREFUSED|ENOTFOUND|EAI_AGAIN|EHOSTUNREACH|ENETUNREACH|UND_ERR_CONNECT_TIMEOUT)$/

/** Only words and the code are taken over: the error of a `fetch` may hold the URL that it was given. */
export function networkError(error: unknown, { operation, scrub }: { operation: string; scrub: Scrub }): AttacheError {
  const { message, cause } = error instanceof Error ? error : new Error(String(error))
  const {
    code,
    syscall,
    message: reason,
  } = (cause ?? error ?? {}) as { code?: unknown; syscall?: unknown; message?: unknown }
  const known = typeof code === 'string' ? code : undefined
  const sentence = typeof reason === 'string' && reason !== message ? `${message}: ${reason}` : message
  const facts: ErrorFacts = { kind: known === 'ERR_INVALID_URL' ? 'protocol' : 'network', operation, code: known }
  const unsent = syscall === 'connect' || (known !== undefined && UNSENT.test(known))
  return new AttacheError(scrub(sentence || known || 'no answer'), unsent ? { ...facts, unsent } : facts)
}
