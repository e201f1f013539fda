import { DatabaseError } from 'pg'
import { Failure } from '../errors.ts'
import { LostAnswer } from './resolved.ts'

const READ_ONLY = '25006'
const DISK_FULL = '53100'
const NOT_TEXT = '22021'
const INTEGRITY = '23'

/** SQLSTATE codes and classes: https://www.postgresql.org/docs/15/errcodes-appendix.html */
const UNAVAILABLE = [
  '08', // the connection
  READ_ONLY,
  '25P03', // idle in a transaction for too long
  '40001', // serialization, deadlock: the next try goes through
  '40P01',
  '53', // too many connections, out of memory
  '55P03', // a lock was not to be had
  '57', // time-out, shutdown, crash, starting
  '58', // the system below
]

export function isConstraint(error: unknown): boolean {
  return stateOf(error)?.startsWith(INTEGRITY) ?? false
}

export function isDiskFull(error: unknown): boolean {
  return stateOf(error) === DISK_FULL
}

/** A statement failed. `lost` is why its connection ended, where it did. */
export function statementFailure(error: unknown, lost: Error | undefined): unknown {
  if (lost) return new Failure('StorageUnavailable', { cause: new LostAnswer(lost.message, { cause: error }) })
  const state = stateOf(error)
  // What a caller sent is no text to PostgreSQL, which takes no NUL.
  if (state === NOT_TEXT) return new Failure('InvalidParameter', { cause: error })
  return isUnavailable(state) ? new Failure('StorageUnavailable', { cause: error }) : error
}

/** No connection was to be had, whatever the reason. */
export function connectionFailure(cause: unknown): Failure {
  return new Failure('StorageUnavailable', { cause })
}

/** Whether the server can not write: what was the primary is one no more. */
export function isOfStandby(error: unknown): boolean {
  return stateOf(error) === READ_ONLY
}

/** Whether this connection has ended with the error, as the server stops or has crashed. */
export function endedByServer(error: unknown): boolean {
  return /^57P0/.test(stateOf(error) ?? '')
}

function isUnavailable(state: string | undefined): boolean {
  return state !== undefined && state !== DISK_FULL && UNAVAILABLE.some((prefix) => state.startsWith(prefix))
}

function stateOf(error: unknown): string | undefined {
  return error instanceof DatabaseError ? error.code : undefined
}
