import { Socket } from 'node:net'
import type { PostgresPool, PostgresPoolClient } from 'kysely'
import { Pool, type PoolClient, type PoolConfig } from 'pg'
import { connectionFailure, endedByServer, isOfStandby, statementFailure } from './postgres-failures.ts'

export interface BoundedPoolOptions {
  config: PoolConfig
  /** From asking for a connection to the last answer through it; a connection that takes longer is cut. */
  answerMs: number | undefined
  /** The same for a write that stands alone, from sending it on: there is time left to try it again. */
  loneWriteMs: number | undefined
}

// For connections to take leave of a server that answers.
const LEAVE_MS = 500
// As Kysely spells them; within a transaction the first statement is `begin`.
const LONE_WRITE = /^(insert|with) /

/** A pool as Kysely wants it, whose every failure comes in time and says what it means for the caller. */
export function boundedPool({ config, answerMs, loneWriteMs }: BoundedPoolOptions): PostgresPool {
  const sockets = new Set<Socket>()
  const pool = new Pool({ ...config, password: config.password, stream: () => kept(new Socket(), sockets) })
  // A connection that broke while idle has left the pool by then; the next call opens another.
  pool.on('error', () => {})
  const born = new WeakMap<object, number>()
  pool.on('connect', (client) => born.set(client, performance.now()))
  let spentBefore = 0
  const spent = () => {
    spentBefore = performance.now()
  }

  async function connected(): Promise<PoolClient> {
    for (;;) {
      const client = await pool.connect()
      if ((born.get(client) ?? 0) >= spentBefore) return client
      client.release(true)
    }
  }

  return {
    options: {},
    async connect() {
      const started = performance.now()
      try {
        const client = await connected()
        const left = answerMs && answerMs - (performance.now() - started)
        return lease(client, { milliseconds: left, loneWriteMs, spent })
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

interface LeaseOptions {
  milliseconds: number | undefined
  loneWriteMs: number | undefined
  /** Told when the connections that there are lead to a server that is no use any more. */
  spent(): void
}

/** A connection for one piece of work, which may be several statements one after the other. */
function lease(client: PoolClient, { milliseconds, loneWriteMs, spent }: LeaseOptions): PostgresPoolClient {
  let used = false
  let lost: Error | undefined
  const onLost = (error: Error) => {
    lost ??= error
  }
  client.on('error', onLost)
  const timers = milliseconds === undefined ? [] : [setTimeout(cut, milliseconds)]

  function cut(): void {
    onLost(new Error('PostgreSQL gave no answer in time'))
    // Under a statement this closes the socket at once. @types/pg: a client of a pool has no `end`, yet it is a Client.
    ;(client as PoolClient & { end(): Promise<void> }).end().catch(() => {})
  }

  async function query(text: string, values: readonly unknown[]): Promise<unknown> {
    if (lost) throw statementFailure(lost, lost)
    // PostgreSQL keeps no NUL, so what is looked for by one is not there. It would refuse the question.
    if (text.startsWith('select') && values.some(hasNul)) return { command: 'SELECT', rowCount: 0, rows: [] }
    if (!used && loneWriteMs !== undefined && LONE_WRITE.test(text)) timers.push(setTimeout(cut, loneWriteMs))
    used = true
    try {
      return await client.query(text, [...values])
    } catch (error) {
      if (endedByServer(error)) onLost(error as Error)
      if (isOfStandby(error)) spent()
      throw statementFailure(error, lost)
    }
  }

  return {
    query: query as PostgresPoolClient['query'],
    release() {
      for (const timer of timers) clearTimeout(timer)
      client.release(lost !== undefined)
      client.off('error', onLost)
    },
  }
}

function hasNul(value: unknown): boolean {
  return typeof value === 'string' && value.includes('\0')
}
