import type { NodeClient } from '@attache/client/node'
import { textOf } from './arguments.ts'
import type { Context } from './context.ts'
import { EXIT, type ExitCode } from './exit-codes.ts'
import { isLoopback, proxyFromEnvironment, proxyVariables } from './proxies.ts'
import { roundTrip } from './round-trip.ts'
import type { CheckRow } from './rows.ts'
import { clientFor } from './session.ts'
import { readSettings, type Settings } from './settings.ts'
import { backend, disk } from './surroundings.ts'
import type { Say } from './words.ts'

export type Finding = Pick<CheckRow, 'result' | 'detail' | 'fix'>

export interface Examination {
  name: string
  /** Those that it builds on. */
  needs: string[]
  /** Of `doctor`, when this is the first to fail; a thrown error has its own. */
  exitCode?: ExitCode
  /** What it throws counts as failed. */
  examine(): Finding | Promise<Finding>
}

const MOST_SKEW_SECONDS = 60
const REACH_MILLISECONDS = 10_000

/** What `doctor` looks at, in this order; each leaves to the next what it found. */
export function examinations(context: Context): Examination[] {
  const { say, values, signal, env } = context
  const found: { settings?: Settings; serverDate?: number; client?: NodeClient } = {}
  const settings = async () => (found.settings ??= await readSettings(context))
  const client = async () => (found.client ??= await clientFor(await settings(), context))
  const trips = values['no-round-trip'] === true ? [] : roundTrip({ client, say, signal })
  return [
    { name: 'node', needs: [], examine: () => ({ result: 'ok', detail: process.versions.node }) },
    { name: 'disk', needs: [], examine: () => disk(textOf(values, 'output') ?? '.', say) },
    { name: 'settings', needs: [], examine: async () => origins(await settings()) },
    {
      name: 'proxy',
      needs: ['settings'],
      examine: async () => proxyFound((await settings()).url.value ?? '', context),
    },
    {
      name: 'server',
      needs: ['settings'],
      exitCode: EXIT.partial,
      examine: async () => reach((await settings()).url.value ?? ''),
    },
    { name: 'clock', needs: ['server'], examine: () => clock(found.serverDate, say) },
    {
      name: 'backend',
      needs: ['server'],
      exitCode: EXIT.partial,
      examine: async () => backend((await settings()).url.value ?? '', { say, signal }),
    },
    { name: 'keys', needs: ['settings'], exitCode: EXIT.auth, examine: async () => keys(await settings(), say) },
    {
      name: 'token',
      needs: ['server', 'keys'],
      async examine() {
        await (await client()).token({ signal })
        return { result: 'ok', detail: say({ en: 'the key pair is accepted', zh: '密钥对有效' }) }
      },
    },
    ...trips,
  ]

  async function reach(url: string): Promise<Finding> {
    await proxyFromEnvironment(url, env)
    try {
      const limit = AbortSignal.any([signal, AbortSignal.timeout(REACH_MILLISECONDS)])
      const response = await fetch(url, { redirect: 'manual', signal: limit })
      await response.body?.cancel()
      const date = Date.parse(response.headers.get('date') ?? '')
      if (!Number.isNaN(date)) found.serverDate = date
      return { result: 'ok', detail: say({ en: `${url} answers`, zh: `${url} 有应答` }) }
    } catch (error) {
      signal.throwIfAborted()
      return { result: 'failed', detail: `${url}: ${causeOf(error)}`, fix: fixOfReach(url, causeOf(error), say) }
    }
  }
}

function origins({ url, appKey, appSecurity }: Settings): Finding {
  const words = Object.entries({ url, appKey, appSecurity }).map(([name, { origin }]) => `${name} ← ${origin}`)
  return { result: 'ok', detail: words.join(', ') }
}

function keys({ appKey, appSecurity }: Settings, say: Say): Finding {
  if (appKey.value !== undefined && appSecurity.value !== undefined)
    return { result: 'ok', detail: say({ en: 'appKey and appSecurity are there', zh: 'appKey 和 appSecurity 已设置' }) }
  return {
    result: 'failed',
    detail: say({ en: 'appKey or appSecurity is not set', zh: '未设置 appKey 或 appSecurity' }),
    fix: say({
      en: 'attache login, or set ATTACHE_APP_KEY and ATTACHE_APP_SECURITY',
      zh: '运行 attache login，或设置 ATTACHE_APP_KEY 和 ATTACHE_APP_SECURITY',
    }),
  }
}

async function proxyFound(url: string, { env, say }: Context): Promise<Finding> {
  const variables = proxyVariables(env)
  if (variables.length === 0) return { result: 'ok', detail: say({ en: 'none set', zh: '未设置' }) }
  const detail = variables.map(([name, value]) => `${name}=${value}`).join(' ')
  if (isLoopback(url))
    return {
      result: 'note',
      detail: `${detail} ${say({ en: '(not used for this machine itself)', zh: '（访问本机时不使用）' })}`,
    }
  if (await proxyFromEnvironment(url, env)) return { result: 'ok', detail }
  return {
    result: 'failed',
    detail: `${detail} ${say({ en: 'but this Node does not use it', zh: '但当前 Node 不会使用' })}`,
    fix: say({
      en: 'set NODE_USE_ENV_PROXY=1, or install Node 24.14 or newer',
      zh: '设置 NODE_USE_ENV_PROXY=1，或安装 Node 24.14 及以上版本',
    }),
  }
}

function clock(serverDate: number | undefined, say: Say): Finding {
  if (serverDate === undefined)
    return { result: 'note', detail: say({ en: 'the server tells no Date', zh: '服务器未返回 Date' }) }
  const skew = Math.round((Date.now() - serverDate) / 1000)
  const detail = say({
    en: `${Math.abs(skew)} s ${skew < 0 ? 'behind' : 'ahead of'} the server`,
    zh: `比服务器${skew < 0 ? '慢' : '快'} ${Math.abs(skew)} 秒`,
  })
  if (Math.abs(skew) <= MOST_SKEW_SECONDS) return { result: 'ok', detail }
  const fix = say({
    en: 'set the clock by NTP: timedatectl set-ntp true',
    zh: '请用 NTP 校时：timedatectl set-ntp true',
  })
  return { result: 'failed', detail, fix }
}

function causeOf(error: unknown): string {
  const { cause, message } = error instanceof Error ? error : new Error(String(error))
  const { code } = (cause ?? {}) as { code?: unknown }
  return typeof code === 'string' ? code : message
}

function fixOfReach(url: string, cause: string, say: Say): string {
  if (cause === 'ECONNREFUSED' && isLoopback(url))
    return say({
      en: 'nothing listens there: start the service (`npm start`), or name another with --url',
      zh: '该端口无服务：请启动服务（npm start），或用 --url 指定其他地址',
    })
  if (cause === 'ENOTFOUND' || cause === 'EAI_AGAIN')
    return say({
      en: 'no such host: correct --url or ATTACHE_URL, or the DNS of this machine',
      zh: '主机不存在：请修正 --url 或 ATTACHE_URL，或检查本机 DNS',
    })
  if (/CERT|SELF_SIGNED|UNABLE_TO/.test(cause))
    return say({
      en: 'the certificate is not trusted here: NODE_EXTRA_CA_CERTS=FILE adds its authority',
      zh: '证书不受信任：用 NODE_EXTRA_CA_CERTS=文件 添加其颁发机构',
    })
  return say({
    en: 'check the address, the network and the firewall; behind a proxy set HTTPS_PROXY',
    zh: '请检查地址、网络与防火墙；在代理之后请设置 HTTPS_PROXY',
  })
}
