import { existsSync } from 'node:fs'
import { readdir } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import type { Config } from '../config.ts'
import { isSystemError } from '../errors.ts'
import { backup } from '../upkeep/backup.ts'
import { gc } from '../upkeep/gc.ts'
import { restore } from '../upkeep/restore.ts'
import { verify } from '../upkeep/verify.ts'
import { type CommandContext, UsageError } from './context.ts'
import { existingStores, refuseMissingFiles, upkeepLock } from './existing-stores.ts'

/** `verify`: reads every attachment and compares it with what was uploaded; exit code 1 when one is not as it was. */
export async function verifyCommand(args: string[], context: CommandContext): Promise<number> {
  const { print, say } = context
  const { values } = parseArgs({ args, options: { json: { type: 'boolean' } } })
  await using stores = await existingStores(context)
  const { attachments: records } = stores.records
  const found = values.json
    ? undefined
    : ({ fault, fileId, fileName }: { fault: string; fileId: string; fileName: string }) =>
        print(`${fault.padEnd(8)} ${fileId} ${JSON.stringify(fileName)}`)
  const report = await verify({ records, blobs: stores.blobs, ...(found && { found }) })
  const { attachments, bytes, faulty } = report
  if (values.json) print(JSON.stringify(report))
  else if (faulty.length === 0) {
    print(
      say({
        zh: `${attachments}个附件（${bytes}字节）全部完好`,
        en: `all ${attachments} attachments (${bytes} bytes) are as they were uploaded`,
      }),
    )
  } else {
    print(
      say({
        zh: `${attachments}个附件中${faulty.length}个有问题：请从备份恢复，或用attachment remove删除`,
        en: `${faulty.length} of ${attachments} attachments are not: bring them back from a backup, or remove them with \`attachment remove\``,
      }),
    )
  }
  return faulty.length === 0 ? 0 : 1
}

/** `gc`: counts blobs that no record names; `--remove` takes them away. */
export async function gcCommand(args: string[], context: CommandContext): Promise<void> {
  const { print, say } = context
  const { values } = parseArgs({ args, options: { remove: { type: 'boolean' } } })
  await using stores = await existingStores(context)
  const { blobs, derived } = stores
  const remove = values.remove ?? false
  await using _ = remove ? await upkeepLock(context) : undefined
  const { orphans, bytes, foreign, refused } = await gc({
    records: stores.records.attachments,
    blobs,
    derived,
    now: Date.now(),
    remove,
  })
  if (refused) {
    throw new UsageError(
      say({
        zh: `没有任何记录引用这里的文件（${orphans}个，${bytes}字节），因此不删除：请核对配置所指的数据库与文件是否属于同一服务；若无误，上传一个附件后即可执行`,
        en: `no record names any blob here (${orphans} of them, ${bytes} bytes), so none is removed: check that the settings name the database and the blobs of one server; if they do, gc works once an attachment is uploaded`,
      }),
    )
  }
  const done = say({ zh: '已删除', en: 'removed' })
  const dry = say({ zh: '可删除（加 --remove 执行）', en: 'would remove (with --remove)' })
  print(`${remove ? done : dry}: ${orphans} blobs, ${bytes} bytes`)
  if (foreign === 0) return
  print(
    say({
      zh: `${foreign}个名称不是附件文件，未作处理`,
      en: `passed over ${foreign} names that are no blobs of ours`,
    }),
  )
}

/** `backup --to DIR`: a copy of the data directory that is itself one, made while the server writes. */
export async function backupCommand(args: string[], context: CommandContext): Promise<number> {
  const { config, print, say } = context
  const { values } = parseArgs({ args, options: { to: { type: 'string' } } })
  if (!values.to) throw new UsageError('backup --to DIR')
  const from = embedded(config, 'backup')
  const to = resolve(values.to)
  if (to === from) throw new UsageError('--to: give another directory than ATTACHE_DATA')
  refuseMissingFiles(context)
  const rootSecretFile = config.rootSecretFile ?? join(from, 'root.secret')
  const { attachments, missing, copied, copiedBytes } = await backup({ from, to, rootSecretFile })
  print(
    say({
      zh: `${attachments}个附件，新复制${copied}个（${copiedBytes}字节）到 ${to}；其中含根密钥，请妥善保管`,
      en: `${attachments} attachments, ${copied} copied now (${copiedBytes} bytes), in ${to}; the root secret is among it: keep it safe`,
    }),
  )
  for (const fileId of missing) print(`missing  ${fileId}`)
  return missing.length === 0 ? 0 : 1
}

/** `restore --from DIR`: a backup as the data directory, every attachment compared with its hash. */
export async function restoreCommand(args: string[], context: CommandContext): Promise<number> {
  const { values } = parseArgs({ args, options: { from: { type: 'string' } } })
  if (!values.from) throw new UsageError('restore --from DIR')
  const from = resolve(values.from)
  const data = embedded(context.config, 'restore')
  if (!existsSync(join(from, 'records.sqlite'))) throw new UsageError(`--from: ${from} holds no backup`)
  if ((await namesIn(data)).length > 0) {
    throw new UsageError(`${data} is not empty: set ATTACHE_DATA to a new directory, so that nothing is lost`)
  }
  await restore({ from, to: data })
  return verifyCommand([], context)
}

function embedded({ data, databaseUrl, blobs }: Config, verb: string): string {
  if (databaseUrl === undefined && blobs === 'disk') return data
  throw new UsageError(
    `${verb} is for the embedded stores: back PostgreSQL, S3 and OSS up with their own means (docs/operations.md)`,
  )
}

async function namesIn(directory: string): Promise<string[]> {
  try {
    return await readdir(directory)
  } catch (error) {
    if (isSystemError(error, 'ENOENT')) return []
    throw error
  }
}
