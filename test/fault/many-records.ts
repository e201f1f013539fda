import { hash } from 'node:crypto'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'

export interface Pair {
  id: string
  key: string
}

/** Records without bytes, in the database of a server that does not run. */
export function manyRecords(data: string, { corporationId, count }: { corporationId: string; count: number }): Pair[] {
  using database = new DatabaseSync(join(data, 'records.sqlite'))
  database.exec('begin')
  database
    .prepare('insert or ignore into corporations (corporation_id, name, created_at) values (?, ?, 0)')
    .run(corporationId, corporationId)
  const add = database.prepare(
    `insert into attachments (file_id, corporation_id, key, file_name, blob_id, size, md5, sha256, crc64, content_type, created_at)
     values (?, ?, ?, 'a.pdf', ?, 1000, ?, ?, '0', 'application/pdf', 0)`,
  )
  const pairs = Array.from({ length: count }, (_, index) => {
    const random = hash('sha256', String(index))
    const pair = { id: random.slice(0, 14), key: `openapi-${random}` }
    add.run(pair.id, corporationId, pair.key, random.slice(0, 32), random.slice(0, 32), random)
    return pair
  })
  database.exec('commit')
  return pairs
}
