import { randomBytes } from 'node:crypto'
import { describe } from 'node:test'
import { Client } from 'pg'
import type { RecordDialect } from './dialects.ts'
import { postgres } from './postgres.ts'

export interface TestDatabase {
  url: string
  /** Through `address` (`host:port`) where something stands in between. */
  dialect(more?: { connections?: number; address?: string }): RecordDialect
  /** Runs one statement, beside whatever else is going on. */
  run(text: string): Promise<Record<string, unknown>[]>
}

/** Rules that need a real PostgreSQL; skipped where it is not there, but not in CI. */
export function describeOnPostgres(name: string, rules: () => void): void {
  const reason =
    !process.env['ATTACHE_TEST_DATABASE_URL'] &&
    'ATTACHE_TEST_DATABASE_URL not set: npm run test:engines brings PostgreSQL up'
  describe(name, { skip: process.env['CI'] ? false : reason }, rules)
}

/** An empty database on the server that the environment names. */
export async function newDatabase(): Promise<TestDatabase> {
  const server = process.env['ATTACHE_TEST_DATABASE_URL'] ?? ''
  const name = `records_${randomBytes(6).toString('hex')}`
  await runAt(server, `create database ${name}`)
  const own = new URL(server)
  own.pathname = `/${name}`
  return {
    url: own.href,
    dialect({ connections = 10, address = own.host } = {}) {
      const url = new URL(own)
      url.host = address
      return postgres({ url: url.href, password: undefined, tls: 'off', ca: undefined, connections })
    },
    run: (text) => runAt(own.href, text),
  }
}

async function runAt(url: string, text: string): Promise<Record<string, unknown>[]> {
  const client = new Client({ connectionString: url })
  await client.connect()
  try {
    return (await client.query(text)).rows
  } finally {
    await client.end()
  }
}
