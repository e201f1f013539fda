import { setTimeout as delay } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import type { Stores } from '../stores.ts'
import { noteOperation } from './audit.ts'
import { type CommandContext, UsageError } from './context.ts'
import { existingStores } from './existing-stores.ts'

const USAGE = 'links revoke --corporation ID | links revoke --file-id ID'

/** Each node looks for changes four times a second; until it has, it signs and takes links of before. */
export const HEARD_MS = 1000

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

function refusePermanent({ config, say }: CommandContext): void {
  if (config.linkAccessKeyId === undefined) return
  throw new UsageError(
    say({
      zh: '链接由固定密钥签名，不能按企业吊销：请更换ATTACHE_LINK_ACCESS_KEY_ID及其密钥后重启',
      en: 'links are signed with the permanent pair and have no corporation to revoke: change ATTACHE_LINK_ACCESS_KEY_ID and its secret, then restart',
    }),
  )
}

async function revokeCorporation(
  corporation: string,
  { records }: Stores,
  { config, say }: CommandContext,
): Promise<string> {
  if ((await records.links.raiseEpoch(corporation, Date.now())) === undefined) {
    throw new UsageError(
      say({ zh: `没有企业 ${corporation}：用 app list 查看`, en: `no corporation ${corporation}: see \`app list\`` }),
    )
  }
  await noteOperation(config, { verb: 'links revoke', corporationId: corporation })
  return say({ zh: `${corporation} 此前的全部链接已失效`, en: `all links that ${corporation} had have ended` })
}

async function revokeAttachment(fileId: string, { records }: Stores, { config, say }: CommandContext): Promise<string> {
  const revoked = await records.attachments.revokeLinks(fileId, Date.now())
  if (revoked === undefined) throw new UsageError(say({ zh: `没有附件 ${fileId}`, en: `no attachment ${fileId}` }))
  const { corporationId, key, fileName: name, linkEpoch } = revoked
  await noteOperation(config, { verb: 'links revoke', corporationId, fileId, key, detail: `epoch ${linkEpoch}` })
  if (config.links === 'direct') {
    return say({
      zh: `${name} 此前经由本服务的链接已失效；直达存储的链接（ATTACHE_LINKS=direct）不受影响，只有删除附件才能终止`,
      en: `the links of ${name} that lead here have ended; those to the store itself (ATTACHE_LINKS=direct) end with the attachment only`,
    })
  }
  return say({ zh: `${name} 此前的全部链接已失效`, en: `all links that ${name} had have ended` })
}
