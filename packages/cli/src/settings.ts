import { textOf } from './arguments.ts'
import type { Context } from './context.ts'
import { CliError } from './failures.ts'
import { isOpenToOthers, type Profile, profilesPath, readProfiles } from './profile.ts'
import { readSecretFile, type SecretFile } from './secrets.ts'

export const DEFAULT_URL = 'http://127.0.0.1:8700'

/** A value and where it comes from. */
export interface Setting {
  value: string | undefined
  origin: string
}

export interface Settings {
  profile: Setting
  url: Setting
  appKey: Setting
  appSecurity: Setting
}

interface Stored {
  profile: Profile
  origin: string
}

export type SettingsContext = Pick<Context, 'values' | 'env' | 'stdin' | 'output' | 'say'>

/** Option > environment > profile > default, for each by itself. `login`, which writes the profile, leaves it out. */
export async function readSettings(context: SettingsContext, { stored: useStored = true } = {}): Promise<Settings> {
  const { values, env, say } = context
  const flag = (name: string): Setting => ({ value: textOf(values, name), origin: `--${name}` })
  const variable = (name: string): Setting => ({ value: env[name] || undefined, origin: name })
  const fallback = (value?: string): Setting => ({
    value,
    origin: value === undefined ? say({ en: 'not set', zh: '未设置' }) : say({ en: 'default', zh: '默认值' }),
  })
  const profile = first(flag('profile'), variable('ATTACHE_PROFILE'), fallback('default'))
  const stored: Stored = useStored ? await storedAs(profile, context) : { profile: {}, origin: '' }
  const kept = (name: keyof Profile): Setting => ({ value: stored.profile[name], origin: stored.origin })
  const file = await secretFile(context)
  const origin = file.origin
  return {
    profile,
    url: first(flag('url'), variable('ATTACHE_URL'), kept('url'), fallback(DEFAULT_URL)),
    appKey: first(
      flag('app-key'),
      { value: file.pair?.appKey, origin },
      variable('ATTACHE_APP_KEY'),
      kept('appKey'),
      fallback(),
    ),
    appSecurity: first(
      { value: file.pair?.appSecurity, origin },
      variable('ATTACHE_APP_SECURITY'),
      kept('appSecurity'),
      fallback(),
    ),
  }
}

function first(...settings: Setting[]): Setting {
  return (
    settings.find(({ value }) => value !== undefined) ?? { value: undefined, origin: settings.at(-1)?.origin ?? '' }
  )
}

async function secretFile(context: SettingsContext): Promise<{ pair?: SecretFile; origin: string }> {
  const path = textOf(context.values, 'app-security-file')
  if (path === undefined) return { origin: '' }
  return { pair: await readSecretFile(path, context), origin: `--app-security-file ${path}` }
}

async function storedAs(
  { value: name = '', origin }: Setting,
  { env, output, say, values }: SettingsContext,
): Promise<Stored> {
  const path = profilesPath(env)
  if (path === undefined) return { profile: {}, origin: '' }
  const found = (await readProfiles(path, say)).get(name)
  const chosen = textOf(values, 'profile') !== undefined || Boolean(env['ATTACHE_PROFILE'])
  if (found === undefined && chosen) {
    throw new CliError(
      say({
        en: `${origin}: there is no profile ${JSON.stringify(name)} in ${path}: \`attache login --profile NAME\` makes one`,
        zh: `${origin}：${path} 中没有配置档 ${JSON.stringify(name)}：用 attache login --profile 名称 创建`,
      }),
    )
  }
  if (found?.appSecurity !== undefined && (await isOpenToOthers(path))) {
    output.note(
      say({
        en: `attache: warning: others can read ${path}\n  fix: chmod 600 ${path}`,
        zh: `attache：警告：其他用户可读取 ${path}\n  解决：chmod 600 ${path}`,
      }),
    )
  }
  return { profile: found ?? {}, origin: `${path} (${name})` }
}
