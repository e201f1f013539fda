import { randomBytes } from 'node:crypto'
import { parseArgs } from 'node:util'
import { secretHash } from '../attachments/access-tokens.ts'
import type { AppRecord } from '../records/record-store.ts'
import { derivedKey } from '../secrets.ts'
import { openStores, type Stores } from '../stores.ts'
import { noteOperation } from './audit.ts'
import { type CommandContext, UsageError } from './context.ts'
import { existingStores } from './existing-stores.ts'

/** `app create --corporation NAME [--id ID] | list | disable APPKEY` */
export async function appCommand([action, ...rest]: string[], context: CommandContext): Promise<void> {
  if (action === 'create') return create(rest, context)
  if (action === 'list') return list(context)
  if (action === 'disable') return disable(rest, context)
  throw new UsageError('app create --corporation NAME [--id CORPORATION_ID] | app list | app disable APPKEY')
}

/** The one verb that may come before a first start. */
async function create(args: string[], { config, print, say }: CommandContext): Promise<void> {
  const { values } = parseArgs({
    args,
    options: { corporation: { type: 'string' }, id: { type: 'string' }, json: { type: 'boolean' } },
  })
  const { corporation: name = '', id = randomBytes(9).toString('hex') } = values
  if (name === '') throw new UsageError('app create --corporation NAME [--id CORPORATION_ID]')
  if (!/^[\w-]{1,64}$/.test(id)) throw new UsageError('--id: 1–64 of A–Z a–z 0–9 _ -')
  await using stores = await openStores(config, { serving: false })
  const credentials = await createApp(stores, { corporationId: id, corporationName: name, demo: false })
  await noteOperation(config, { verb: 'app create', corporationId: id, appKey: credentials.appKey })
  if (values.json) return print(JSON.stringify(credentials))
  print(
    `corporationId  ${credentials.corporationId}\nappKey         ${credentials.appKey}\nappSecurity    ${credentials.appSecurity}`,
  )
  print(say({ zh: 'appSecurity只显示这一次，请妥善保存。', en: 'appSecurity is shown this once: keep it safe.' }))
}

export interface AppCredentials {
  corporationId: string
  appKey: string
  appSecurity: string
}

type NewApp = Pick<AppRecord, 'corporationId' | 'corporationName' | 'demo'> &
  Partial<Pick<AppCredentials, 'appKey' | 'appSecurity'>>

export async function createApp(stores: Stores, app: NewApp): Promise<AppCredentials> {
  const { corporationId, corporationName, demo } = app
  const appKey = app.appKey ?? randomBytes(12).toString('hex')
  const appSecurity = app.appSecurity ?? randomBytes(32).toString('base64url')
  const hashed = secretHash(derivedKey(stores.rootSecret, 'appSecurity'), appSecurity)
  await stores.records.apps.add({
    appKey,
    corporationId,
    corporationName,
    secretHash: hashed,
    demo,
    createdAt: Date.now(),
    disabledAt: null,
  })
  return { corporationId, appKey, appSecurity }
}

async function list(context: CommandContext): Promise<void> {
  const { print, say } = context
  await using stores = await existingStores(context)
  const apps = await stores.records.apps.list()
  for (const { appKey, corporationId, corporationName, createdAt, disabledAt } of apps) {
    const state = disabledAt === null ? say({ zh: '启用', en: 'enabled' }) : say({ zh: '停用', en: 'disabled' })
    print([appKey, corporationId, state, new Date(createdAt).toISOString(), corporationName].join('\t'))
  }
}

async function disable([appKey]: string[], context: CommandContext): Promise<void> {
  const { config, print, say } = context
  if (!appKey) throw new UsageError('app disable APPKEY')
  await using stores = await existingStores(context)
  if (!(await stores.records.apps.disable(appKey, Date.now()))) {
    throw new UsageError(
      say({ zh: `没有启用中的appKey ${appKey}：用 app list 查看`, en: `no enabled app ${appKey}: see \`app list\`` }),
    )
  }
  const corporationId = (await stores.records.apps.find(appKey))?.corporationId
  await noteOperation(config, { verb: 'app disable', corporationId, appKey })
  print(
    say({
      zh: `已停用 ${appKey}，其令牌一秒内失效`,
      en: `disabled ${appKey}; its tokens stop working within a second`,
    }),
  )
}
