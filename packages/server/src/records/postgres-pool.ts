import { Socket } from 'node:net'
import type { PostgresPool, PostgresPoolClient } from 'kysely'
import { Pool, type PoolClient, type PoolConfig } from 'pg'
import { connectionFailure, endedByServer, endsConnection, statementFailure } from './postgres-failures.ts'

export interface BoundedPoolOptions {
  config: PoolConfig
  /** From asking for a connection to the last answer through it; a connection that takes longer is cut. */
  answerMs: number | undefined
}

// For connections to take leave of a server that answers.
const LEAVE_MS = 500

/** A pool as Kysely wants it, whose every failure comes in time and says what it means for the caller. */
export function boundedPool({ config, answerMs }: BoundedPoolOptions): PostgresPool {
  const sockets = new Set<Socket>()
  const pool = new Pool({ ...config, password: config.password, stream: () => kept(new Socket(), sockets) })
  // A connection that broke while idle has left the pool by then; the next call opens another.
  pool.on('error', () => {})
  return {
    options: {},
    async connect() {
      const started = performance.now()
      try {
        const client = await pool.connect()
        return lease(client, answerMs && answerMs - (performance.now() - started))
      } catch (error) {
        throw connectionFailure(error)
      }
    },
    async end() {
      await pool.end()
      const left = [...sockets].map((socket) => new Promise((resolve) => socket.once('close', resolve)))
      const timer = setTimeout(() => {
        for (const socket of sockets) socket.destroy()
      }, LEAVE_MS)
      await Promise.all(left)
      clearTimeout(timer)
    },
  }
}

function kept(socket: Socket, sockets: Set<Socket>): Socket {
  sockets.add(socket)
  return socket.once('close', () => sockets.delete(socket))
}

/** A connection for one piece of work, which may be several statements one after the other. */
function lease(client: PoolClient, milliseconds: number | undefined): PostgresPoolClient {
  let lost: Error | undefined
  let spent = false
  const onLost = (error: Error) => {
    lost ??= error
  }
  client.on('error', onLost)
  const timer = milliseconds === undefined ? undefined : setTimeout(cut, milliseconds)

  function cut(): void {
    onLost(new Error('PostgreSQL gave no answer in time'))
    // Under a statement this closes the socket at once. @types/pg: a client of a pool has no `end`, yet it is a Client.
    ;(client as PoolClient & { end(): Promise<void> }).end().catch(() => {})
  }

  async function query(text: string, values: readonly unknown[]): Promise<unknown> {
    if (lost) throw statementFailure(lost, lost)
    // PostgreSQL keeps no NUL, so what is looked for by one is not there. It would refuse the question.
    if (text.startsWith('select') && values.some(hasNul)) return { command: 'SELECT', rowCount: 0, rows: [] }
    try {
      return await client.query(text, [...values])
    } catch (error) {
      if (endedByServer(error)) onLost(error as Error)
      spent ||= endsConnection(error)
      throw statementFailure(error, lost)
    }
  }

  return {
    query: query as PostgresPoolClient['query'],
    release() {
      clearTimeout(timer)
      client.release(lost !== undefined || spent)
      client.off('error', onLost)
    },
  }
}

function hasNul(value: unknown): boolean {
  return typeof value === 'string' && value.includes('\0')
}
