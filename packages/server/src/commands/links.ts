import { setTimeout as delay } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import type { Stores } from '../stores.ts'
import { noteOperation } from './audit.ts'
import { type CommandContext, UsageError } from './context.ts'
import { endedLinks, HEARD_MS, refusePermanent } from './ended-links.ts'
import { existingStores } from './existing-stores.ts'

const USAGE = 'links revoke --corporation ID | links revoke --file-id ID'

/** `links revoke` ends every link that a corporation, or one attachment, was given so far; new ones work. */
export async function linksCommand([action, ...args]: string[], context: CommandContext): Promise<void> {
  const options = { corporation: { type: 'string' }, 'file-id': { type: 'string' } } as const
  const { corporation, 'file-id': fileId } = parseArgs({ args, options }).values
  if (action !== 'revoke' || Boolean(corporation) === Boolean(fileId)) throw new UsageError(USAGE)
  if (corporation) refusePermanent(context)
  await using stores = await existingStores(context)
  const ended = corporation
    ? await revokeCorporation(corporation, stores, context)
    : await revokeAttachment(fileId ?? '', stores, context)
  await delay(HEARD_MS)
  context.print(ended)
}

async function revokeCorporation(corporation: string, { records }: Stores, context: CommandContext): Promise<string> {
  const { config, say } = context
  if ((await records.links.raiseEpoch(corporation, Date.now())) === undefined) {
    throw new UsageError(
      say({ zh: `没有企业 ${corporation}：用 app list 查看`, en: `no corporation ${corporation}: see \`app list\`` }),
    )
  }
  await noteOperation(config, { verb: 'links revoke', corporationId: corporation })
  return endedLinks(context, ofAll(corporation))
}

async function revokeAttachment(fileId: string, { records }: Stores, context: CommandContext): Promise<string> {
  const { config, say } = context
  const revoked = await records.attachments.revokeLinks(fileId, Date.now())
  if (revoked === undefined) throw new UsageError(say({ zh: `没有附件 ${fileId}`, en: `no attachment ${fileId}` }))
  const { corporationId, key, fileName, linkEpoch } = revoked
  await noteOperation(config, { verb: 'links revoke', corporationId, fileId, key, detail: `epoch ${linkEpoch}` })
  return endedLinks(context, ofAll(fileName))
}

function ofAll(owner: string): { zh: string; en: string } {
  return {
    zh: `${owner} 此前经由本服务的全部链接已失效`,
    en: `all links through this service that ${owner} had have ended`,
  }
}
