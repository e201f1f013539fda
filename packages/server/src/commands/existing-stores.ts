import { existsSync } from 'node:fs'
import { NoStore } from '../errors.ts'
import { lockUpkeep, openStores, refuseMissing, type Stores } from '../stores.ts'
import { type CommandContext, UsageError } from './context.ts'

/** The stores of a verb that works on what is there. A directory or a database that was mistyped is told, never made. */
export async function existingStores(context: CommandContext): Promise<Stores> {
  try {
    return await openStores(context.config, { serving: false, create: false })
  } catch (error) {
    throw error instanceof NoStore ? noStore(context, error.missing) : error
  }
}

/** The same for a verb that copies the files. */
export function refuseMissingFiles(context: CommandContext): void {
  try {
    refuseMissing(context.config)
  } catch (error) {
    throw error instanceof NoStore ? noStore(context, error.missing) : error
  }
}

/** The same for one that reads what this node has written beside its stores. */
export function refuseMissingData(context: CommandContext): void {
  const { data } = context.config
  if (!existsSync(data)) throw noStore(context, data)
}

/**
 * `gc --remove` and `migrate-storage` exclude each other: blobs that have come and whose records are still to come look
 * like those that no record will ever name.
 */
export async function upkeepLock({ config, say }: CommandContext): Promise<AsyncDisposable & { held(): boolean }> {
  const lock = await lockUpkeep(config)
  if (lock) return { held: lock.held, [Symbol.asyncDispose]: lock.release }
  throw new UsageError(
    say({
      zh: '另一个 gc --remove 或 migrate-storage 正在处理这些数据：请待其结束后再执行',
      en: 'another `gc --remove` or `migrate-storage` is at work on these stores: run this again when it has ended',
    }),
  )
}

function noStore({ config, say }: CommandContext, missing: string): UsageError {
  const settings = config.databaseUrl === undefined ? 'ATTACHE_DATA' : 'ATTACHE_DATABASE_URL, ATTACHE_DATA'
  return new UsageError(
    say({
      zh: `没有可用的数据，缺少 ${missing}：请按服务的配置设置${settings}；新建数据用 app create 或 serve`,
      en: `there is no store to work on, ${missing} is missing: set ${settings} as the server has it; \`app create\` and \`serve\` make a new one`,
    }),
  )
}
