import { randomUUID } from 'node:crypto'
import { DatabaseSync } from 'node:sqlite'
import type { Item } from './attache.ts'

/** Puts `count` attachments without blobs into a database that no service has open; their ids are scattered over the index. */
export function fillAttachments(file: string, count: number): (at: number) => Item {
  const [run, digits] = [randomUUID().slice(0, 24), 12]
  const itemOf = (at: number): Item => {
    const number = ((at * 2_654_435_761) % 2 ** 40).toString(16).padStart(digits, '0')
    return { id: `ID01${number}`, key: `openapi${run}${number}-差旅发票.pdf` }
  }
  const database = new DatabaseSync(file)
  database.exec('pragma synchronous = off; begin')
  const row = database.prepare(
    `insert into attachments (file_id, corporation_id, key, file_name, blob_id, size, md5, sha256, crc64, content_type, created_at)
     values (?, 'demo', ?, '差旅发票.pdf', ?, 100, '${'0'.repeat(32)}', '${'0'.repeat(64)}', '0', 'application/pdf', ?)`,
  )
  for (let at = 0; at < count; at++) {
    const { id, key } = itemOf(at)
    row.run(id, key, id.slice(4).padStart(32, '0'), Date.now())
  }
  database.exec('commit')
  database.close()
  return itemOf
}
