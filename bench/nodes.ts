import { randomBytes } from 'node:crypto'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type Attache, startAttache } from './attache.ts'
import type { Stage } from './stage.ts'

export interface NodesOptions {
  /** Of a PostgreSQL database. */
  url: string
  count: number
}

/** Processes of the service over one database. What they serve is on the disk of the one that took it: for links that is no matter. */
export async function nodesOver(stage: Stage, { url, count }: NodesOptions): Promise<Attache[]> {
  const secret = join(stage.directory, 'root.secret')
  await writeFile(secret, randomBytes(32).toString('hex'), { mode: 0o600 })
  const shared = { ATTACHE_DATABASE_URL: url, ATTACHE_DATABASE_TLS: 'off', ATTACHE_ROOT_SECRET_FILE: secret }
  const nodes: Attache[] = []
  // One after the other: the first makes the tables and the demo app.
  for (let number = 0; number < count; number++)
    nodes.push(await startAttache(stage, { ...shared, ATTACHE_DATA: join(stage.directory, `node-${number}`) }))
  return nodes
}
