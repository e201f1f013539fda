import { createHmac } from 'node:crypto'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import type { Config } from '../config.ts'
import { isAnySystemError } from '../errors.ts'
import { serviceLogger } from '../logging.ts'
import { derivedKey } from '../secrets.ts'
import { createService, type Service } from '../service.ts'
import type { Stores } from '../stores.ts'
import { type AppCredentials, createApp } from './app.ts'
import { type CommandContext, type Say, UsageError } from './context.ts'

export const DEMO = { appKey: 'demo', corporationId: 'demo', corporationName: '演示企业 Demo', demo: true } as const

/** A service that listens, and what to print once a signal would stop it with grace. */
export interface Running {
  service: Service
  announcement: string
}

/** `serve`: the service as it is configured. */
export async function serveCommand(args: string[], { config, say }: CommandContext): Promise<Running> {
  parseArgs({ args, options: {} })
  const service = await createService({ config, logger: serviceLogger(config.logLevel), demoAllowed: false })
  const url = await listening(service)
  return { service, announcement: say({ zh: `Attaché 已就绪 ${url}`, en: `Attaché is ready at ${url}` }) }
}

/** `start`: the same with a demo corporation, on loopback only. */
export async function startCommand(args: string[], { config, say }: CommandContext): Promise<Running> {
  const { values } = parseArgs({ args, options: { json: { type: 'boolean' } } })
  refuseOffLoopback(config)
  const service = await createService({ config, logger: serviceLogger(config.logLevel), demoAllowed: true })
  try {
    const credentials = await demoApp(service.stores)
    const login = await demoFile(config.data, credentials)
    const url = await listening(service)
    if (!values.json) return { service, announcement: welcome({ url, login, credentials }, say) }
    return { service, announcement: JSON.stringify(await facts(service, { url, bucket: config.bucket, credentials })) }
  } catch (error) {
    await service.close()
    throw error
  }
}

export function refuseOffLoopback({ host }: Config): void {
  if (/^(127\.\d+\.\d+\.\d+|::1|localhost)$/.test(host)) return
  throw new UsageError(
    `the demo credentials work on loopback only: leave ATTACHE_HOST unset, or use \`attache-server serve\` with an app of your own`,
  )
}

/** Writes the body that getAccessToken takes, for the owner only; gives what follows curl's `-d`. */
export async function demoFile(data: string, { appKey, appSecurity }: AppCredentials): Promise<string> {
  const file = join(data, 'demo.json')
  await writeFile(file, JSON.stringify({ appKey, appSecurity }), { mode: 0o600 })
  return `@${shellWord(file)}`
}

export async function listening(service: Service): Promise<string> {
  try {
    return await service.listen()
  } catch (error) {
    await service.close()
    if (!isAnySystemError(error)) throw error
    if (error.code === 'EADDRINUSE') {
      throw new UsageError(`${error.message}: set ATTACHE_PORT to a free port, or to 0 for any`)
    }
    throw new UsageError(`${error.message}: set ATTACHE_HOST and ATTACHE_PORT to what this machine and this user have`)
  }
}

/** The same credentials at every start: derived from the root secret of this data directory, known to nobody else. */
export async function demoApp(stores: Stores): Promise<AppCredentials> {
  const appSecurity = createHmac('sha256', derivedKey(stores.rootSecret, 'demo'))
    .update(DEMO.appKey)
    .digest('base64url')
  const there = await stores.records.apps.find(DEMO.appKey)
  return there ? { ...DEMO, appSecurity } : createApp(stores, { ...DEMO, appSecurity })
}

export interface Started {
  url: string
  credentials: AppCredentials
}

/** What a program that starts us wants to know, printed by `--json`. */
export async function facts(
  { credentials: links }: Service,
  { url, bucket, credentials }: Started & { bucket: string },
): Promise<object> {
  const { corporationId, appKey, appSecurity } = credentials
  const { accessKeyId, accessKeySecret, securityToken } = (await links.signerOf(corporationId)).credential
  return { url, bucket, corporationId, appKey, appSecurity, link: { accessKeyId, accessKeySecret, securityToken } }
}

/** `login` is what follows curl's `-d`. */
export function welcome({ url, login, credentials }: Started & { login: string }, say: Say): string {
  const api = `${url}/api/openapi`
  return `
${say({ zh: 'Attaché 已就绪', en: 'Attaché is ready' })}  ${url}

  appKey       ${credentials.appKey}
  appSecurity  ${credentials.appSecurity}
  ${say({ zh: '演示企业，仅限本机使用；以下三步可直接粘贴（另开一个终端，在本目录下）', en: 'a demo corporation, for this machine only; paste these three steps into another terminal, in this directory' })}

# 1 ${say({ zh: '获取授权', en: 'get an access token' })}
TOKEN=$(curl -s ${api}/v1/auth/getAccessToken -H 'Content-Type: application/json' -d ${login} | sed 's/.*"accessToken":"\\([^"]*\\)".*/\\1/')

# 2 ${say({ zh: '上传附件', en: 'upload a file' })}
ITEM=$(curl -s "${api}/v2/attachment/upload?accessToken=$TOKEN" -F name=README.md -F file=@README.md | sed 's/.*"key":"\\([^"]*\\)","fileId":"\\([^"]*\\)".*/{"id":"\\2","key":"\\1","expiration":1000}/')

# 3 ${say({ zh: '换取下载链接', en: 'trade it for links' })}
curl -s "${api}/v2/attachment/downloadurls?accessToken=$TOKEN" -H 'Content-Type: application/json' -d "[$ITEM]"

${say({ zh: '文档', en: 'Docs' })}: README.md, README.zh-CN.md, docs/    ${say({ zh: '停止', en: 'Stop' })}: Ctrl+C
`
}

function shellWord(text: string): string {
  return /^[\w./-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`
}
