import type { Context } from '../context.ts'
import { EXIT, type ExitCode } from '../exit-codes.ts'
import { CliError } from '../failures.ts'
import { profilesPath } from '../profile.ts'
import { readSettings } from '../settings.ts'

/** `config show [--origin]`: the settings in force. Of a secret only that it is there. */
export async function config(context: Context): Promise<ExitCode> {
  const { operands, output, say, values, env } = context
  if (operands.length !== 1 || operands[0] !== 'show') throw new CliError('attache config show [--origin]')
  const { appSecurity, ...plain } = await readSettings(context)
  const hidden = appSecurity.value === undefined ? undefined : say({ en: '(set)', zh: '（已设置）' })
  for (const [name, { value = '', origin }] of Object.entries({
    ...plain,
    appSecurity: { ...appSecurity, value: hidden },
  })) {
    const text = `${name.padEnd(12)} ${value || '-'}${values['origin'] === true ? `\t${origin}` : ''}`
    output.result({ type: 'setting', name, value, origin }, text)
  }
  const path = profilesPath(env)
  output.note(
    `${say({ en: 'profiles', zh: '配置档' })}: ${path ?? say({ en: 'none, this user has no home', zh: '无，当前用户没有主目录' })}`,
  )
  return EXIT.ok
}
