import { Client, type ClientConfig } from 'pg'
import type { RecordLock } from './dialects.ts'

/** An advisory lock, held by a connection of its own: it ends with the process, wherever that was. */
export async function postgresLock(config: ClientConfig, key: bigint): Promise<RecordLock | undefined> {
  const client = new Client(config)
  let held = false
  // Told by its end as well.
  client.on('error', () => {})
  client.once('end', () => {
    held = false
  })
  await client.connect()
  try {
    const { rows } = await client.query<{ held: boolean }>('select pg_try_advisory_lock($1) as held', [key])
    held = rows[0]?.held === true
  } finally {
    if (!held) await client.end()
  }
  return held ? { held: () => held, release: () => client.end() } : undefined
}
