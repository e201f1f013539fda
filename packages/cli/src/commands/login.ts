import { textOf } from '../arguments.ts'
import type { Context } from '../context.ts'
import { EXIT, type ExitCode } from '../exit-codes.ts'
import { CliError } from '../failures.ts'
import { profilesPath, saveProfile } from '../profile.ts'
import { ask } from '../secrets.ts'
import { clientFor } from '../session.ts'
import { DEFAULT_URL, readSettings, type Setting } from '../settings.ts'

/** `login`: asks for what is not given, tries the pair, and keeps it. */
export async function login(context: Context): Promise<ExitCode> {
  const { env, say, output, stdin, values } = context
  const path = profilesPath(env)
  if (path === undefined)
    throw new CliError(
      say({
        en: 'this user has no home: set XDG_CONFIG_HOME, or use ATTACHE_APP_KEY and ATTACHE_APP_SECURITY without a profile',
        zh: '当前用户没有主目录：请设置 XDG_CONFIG_HOME，或直接使用 ATTACHE_APP_KEY 和 ATTACHE_APP_SECURITY',
      }),
    )
  const name = textOf(values, 'profile') ?? (env['ATTACHE_PROFILE'] || 'default')
  const given = await readSettings(context, { stored: false })
  const atTerminal = stdin.isTTY === true
  const wanted = async (setting: Setting, question: string, hidden = false): Promise<Setting> => {
    if (setting.value !== undefined) return setting
    if (!atTerminal) throw notTold(question, context)
    const value = await ask(question, context, hidden)
    return { value: value || undefined, origin: say({ en: 'typed', zh: '输入' }) }
  }
  const url = atTerminal && given.url.value === DEFAULT_URL ? await urlAsked(context) : given.url
  const appKey = await wanted(given.appKey, 'appKey')
  const appSecurity = await wanted(given.appSecurity, 'appSecurity', true)
  const settings = { ...given, url, appKey, appSecurity }
  await (await clientFor(settings, context)).token({ signal: context.signal })
  const pair = { url: url.value ?? DEFAULT_URL, appKey: appKey.value ?? '', appSecurity: appSecurity.value ?? '' }
  await saveProfile(path, name, pair, say)
  output.result(
    { type: 'profile', name, path },
    say({
      en: `the pair works; kept as ${JSON.stringify(name)} in ${path} (0600)`,
      zh: `密钥对有效，已保存为 ${JSON.stringify(name)}：${path}（0600）`,
    }),
  )
  return EXIT.ok
}

async function urlAsked(context: Context): Promise<Setting> {
  const { say } = context
  const question = say({ en: `root of the API [${DEFAULT_URL}]`, zh: `API 根地址 [${DEFAULT_URL}]` })
  return { value: (await ask(question, context)) || DEFAULT_URL, origin: say({ en: 'typed', zh: '输入' }) }
}

function notTold(what: string, { say }: Context): CliError {
  return new CliError(
    say({
      en: `there is no ${what}, and no terminal to ask at: give --app-key and --app-security-file FILE (- is stdin)`,
      zh: `缺少 ${what}，且没有终端可供输入：请给出 --app-key 和 --app-security-file 文件（- 为标准输入）`,
    }),
  )
}
