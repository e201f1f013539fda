import { parseArgs } from 'node:util'
import { openStores } from '../stores.ts'
import { type CommandContext, UsageError } from './context.ts'

const USAGE = 'links revoke --corporation ID'

/** `links revoke` ends every link that a corporation was given so far; new ones work at once. */
export async function linksCommand([action, ...args]: string[], { config, print, say }: CommandContext): Promise<void> {
  const { values } = parseArgs({ args, options: { corporation: { type: 'string' } } })
  const { corporation } = values
  if (action !== 'revoke' || !corporation) throw new UsageError(USAGE)
  if (config.linkAccessKeyId !== undefined) {
    throw new UsageError(
      say({
        zh: '链接由固定密钥签名，不能按企业吊销：请更换ATTACHE_LINK_ACCESS_KEY_ID及其密钥后重启',
        en: 'links are signed with the permanent pair and have no corporation to revoke: change ATTACHE_LINK_ACCESS_KEY_ID and its secret, then restart',
      }),
    )
  }
  await using stores = await openStores(config, { serving: false })
  if ((await stores.records.links.raiseEpoch(corporation, Date.now())) === undefined) {
    throw new UsageError(
      say({ zh: `没有企业 ${corporation}：用 app list 查看`, en: `no corporation ${corporation}: see \`app list\`` }),
    )
  }
  print(say({ zh: `${corporation} 的全部链接一秒内失效`, en: `all links of ${corporation} end within a second` }))
}
