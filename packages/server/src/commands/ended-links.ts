import { type CommandContext, UsageError } from './context.ts'

/** Each node looks for changes four times a second; until it has, it signs and takes links of before. */
export const HEARD_MS = 1000

/** The permanent pair signs for every corporation, and no generation of ours: neither epochs nor rotation end its links. */
export function refusePermanent({ config, say }: CommandContext): void {
  if (config.linkAccessKeyId === undefined) return
  throw new UsageError(
    say({
      zh: '链接由固定密钥签名，不能按企业吊销，也不随密钥轮换失效：请更换ATTACHE_LINK_ACCESS_KEY_ID及其密钥后重启',
      en: 'links are signed with the permanent pair, which neither a corporation nor a rotation ends: change ATTACHE_LINK_ACCESS_KEY_ID and its secret, then restart',
    }),
  )
}

/** What a verb reports: never that links ended which are the store's own. */
export function endedLinks({ config, say }: CommandContext, ended: { zh: string; en: string }): string {
  if (config.links !== 'direct') return say(ended)
  return say({
    zh: `${ended.zh}；直达存储的链接（ATTACHE_LINKS=direct）不受影响，到期或删除附件后才失效`,
    en: `${ended.en}; those to the store itself (ATTACHE_LINKS=direct) go on until they expire or their attachment is removed`,
  })
}
