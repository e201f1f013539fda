import { timingSafeEqual } from 'node:crypto'
import { existsSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { diskBlobs } from '../blobs/disk.ts'
import type { Config } from '../config.ts'
import { copyRecords } from '../records/copy.ts'
import { sqlite } from '../records/dialects.ts'
import { sqlRecords } from '../records/sql-records.ts'
import { rootSecret } from '../secrets.ts'
import { dialectOf, openStores } from '../stores.ts'
import { type Migrated, migrate } from '../upkeep/migrate.ts'
import { type CommandContext, UsageError } from './context.ts'
import { upkeepLock } from './existing-stores.ts'

/** `migrate-storage --from DIR`: from a data directory to the stores that the settings name, while its server serves reads. */
export async function migrateCommand(args: string[], context: CommandContext): Promise<number> {
  const { config, print, say } = context
  const { values } = parseArgs({ args, options: { from: { type: 'string' }, json: { type: 'boolean' } } })
  if (!values.from) throw new UsageError('migrate-storage --from DIR [--json]')
  const from = resolve(values.from)
  const file = join(from, 'records.sqlite')
  if (!existsSync(file)) throw new UsageError(`--from: ${from} is no data directory`)
  const sharesRecords = config.databaseUrl === undefined && config.data === from
  refuseSamePlace(config, from)
  await refuseOtherSecret(config, from)

  await using closing = new AsyncDisposableStack()
  const records = await sqlRecords(sqlite({ file, durability: config.durability }))
  closing.defer(() => records.close())
  const blobs = await diskBlobs({ directory: from, durability: 'relaxed', sweepTemporary: false })
  closing.defer(() => blobs.close())
  // Opened once to bring its schema up to date, and so that a setting that can't be used is told before the first byte.
  const to = closing.use(await openStores(config, { serving: false }))
  const lock = closing.use(await upkeepLock(context))
  const report = await migrate({
    from: { records: records.attachments, blobs },
    to,
    copyRecords: sharesRecords
      ? undefined
      : async () => {
          if (!lock.held()) throw new Error('the connection that kept `gc --remove` away was lost: run this again')
          return copyRecords({ from: sqlite({ file, durability: config.durability }), to: await dialectOf(config) })
        },
    onProgress: (attachments) => console.error(say({ zh: `${attachments}个附件`, en: `${attachments} attachments` })),
  })
  print(values.json ? JSON.stringify(report) : say(summaryOf(report)))
  for (const fileId of report.faulty) if (!values.json) print(`faulty   ${fileId}`)
  return report.faulty.length === 0 ? 0 : 1
}

function summaryOf({ attachments, copied, copiedBytes, there, faulty, removed }: Migrated): { zh: string; en: string } {
  return {
    zh: `${attachments}个附件：新复制${copied}个（${copiedBytes}字节，哈希一致），已有${there}个，有问题${faulty.length}个，源中已删除${removed}条记录`,
    en: `${attachments} attachments: ${copied} copied now (${copiedBytes} bytes, hashes equal), ${there} there already, ${faulty.length} faulty; ${removed} records gone from the source`,
  }
}

function refuseSamePlace({ data, blobs }: Config, from: string): void {
  if (blobs !== 'disk' || data !== from) return
  throw new UsageError(
    'the settings name the same data directory: set ATTACHE_BLOBS and ATTACHE_DATABASE_URL to where it is to move, or another ATTACHE_DATA',
  )
}

/** Keys of links and hashes of appSecurity come from it: with another one nothing that was issued would work. */
async function refuseOtherSecret({ rootSecretFile }: Config, from: string): Promise<void> {
  const [here, there] = [rootSecretFile, join(from, 'root.secret')]
  if (here === undefined || !existsSync(there)) return
  const [one, other] = await Promise.all([rootSecret(here, { create: false }), rootSecret(there, { create: false })])
  if (one.length === other.length && timingSafeEqual(one, other)) return
  throw new UsageError(`ATTACHE_ROOT_SECRET_FILE differs from ${there}: give the new nodes a copy of that one`)
}
