/** The least that a durable upload can take: write, fsync, rename, fsync of the directory, one commit with synchronous=FULL. */
import { mkdir, open, rename } from 'node:fs/promises'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'

export interface DurableQuestion {
  seconds: number
  directory: string
  /** Of one file, in bytes. */
  size: number
  parallel: number
}

export interface DurableAnswer {
  /** Files a second. */
  rate: number
}

let written = 0

process.on('message', async ({ seconds, directory, size, parallel }: DurableQuestion) => {
  const [beside, blobs] = [join(directory, 'tmp'), join(directory, 'blobs')]
  for (const path of [beside, blobs]) await mkdir(path, { recursive: true })
  const database = new DatabaseSync(join(directory, 'limit.sqlite'))
  database.exec(
    'pragma journal_mode = wal; pragma synchronous = full; create table if not exists files (name text primary key)',
  )
  const insert = database.prepare('insert into files values (?)')
  const shelf = await open(blobs, 'r')
  const bytes = Buffer.alloc(size, 0x61)
  const [before, started] = [written, performance.now()]

  async function lane(): Promise<void> {
    while (performance.now() - started < seconds * 1000) {
      const name = `${process.pid}-${++written}`
      const file = await open(join(beside, name), 'wx')
      await file.write(bytes)
      await file.sync()
      await file.close()
      await rename(join(beside, name), join(blobs, name))
      await shelf.sync()
      insert.run(name)
    }
  }

  await Promise.all(Array.from({ length: parallel }, lane))
  const elapsed = (performance.now() - started) / 1000
  await shelf.close()
  database.close()
  process.send?.({ rate: (written - before) / elapsed } satisfies DurableAnswer)
})
