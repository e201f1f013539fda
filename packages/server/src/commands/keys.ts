import { setTimeout as delay } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { linkCredentials, rotateLinkKey } from '../attachments/link-credentials.ts'
import { linkOptions } from '../service.ts'
import { noteOperation } from './audit.ts'
import { type CommandContext, UsageError } from './context.ts'
import { endedLinks, HEARD_MS, refusePermanent } from './ended-links.ts'
import { existingStores } from './existing-stores.ts'

const USAGE = 'keys show --corporation ID [--json] | keys rotate [--grace SECONDS]'

/** `keys show` prints the pair that signs a corporation's links, so that a foreign signer can check us; `keys rotate` ends all links. */
export async function keysCommand([action, ...rest]: string[], context: CommandContext): Promise<void> {
  if (action === 'show') return show(rest, context)
  if (action === 'rotate') return rotate(rest, context)
  throw new UsageError(USAGE)
}

async function show(args: string[], context: CommandContext): Promise<void> {
  const { config, print } = context
  const { values } = parseArgs({ args, options: { corporation: { type: 'string' }, json: { type: 'boolean' } } })
  const { corporation } = values
  if (!corporation) throw new UsageError(USAGE)
  await using stores = await existingStores(context)
  if ((await stores.records.links.corporation(corporation)) === undefined)
    throw new UsageError(`no corporation ${corporation}: see \`app list\``)
  const options = { ...linkOptions(config, stores), now: Date.now, demoAllowed: true }
  const { credential } = await (await linkCredentials(options)).signerOf(corporation)
  const shown = {
    bucket: config.bucket,
    accessKeyId: credential.accessKeyId,
    accessKeySecret: credential.accessKeySecret,
    securityToken: credential.securityToken ?? null,
  }
  const { accessKeyId } = credential
  await noteOperation(config, { verb: 'keys show', corporationId: corporation, detail: accessKeyId })
  if (values.json) return print(JSON.stringify(shown))
  for (const [name, value] of Object.entries(shown)) print(`${name.padEnd(16)} ${value ?? '-'}`)
}

async function rotate(args: string[], context: CommandContext): Promise<void> {
  const { values } = parseArgs({ args, options: { grace: { type: 'string' } } })
  const { grace = '0' } = values
  if (!/^\d{1,9}$/.test(grace)) throw new UsageError('--grace: whole seconds')
  refusePermanent(context)
  await using stores = await existingStores(context)
  await rotateLinkKey(stores.records.links, Date.now(), Number(grace) * 1000)
  await noteOperation(context.config, { verb: 'keys rotate', detail: `grace ${Number(grace)} s` })
  await delay(HEARD_MS)
  const ended = {
    zh: `密钥已轮换；此前经由本服务的链接在${grace}秒后失效`,
    en: `keys rotated; links through this service that were issued before end in ${grace} s`,
  }
  context.print(endedLinks(context, ended))
}
