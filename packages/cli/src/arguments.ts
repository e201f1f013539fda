import { parseArgs } from 'node:util'
import { CliError } from './failures.ts'
import type { OptionInfo } from './options.ts'
import type { Say } from './words.ts'

export type Values = Readonly<Record<string, string | boolean | undefined>>

export interface Parsed {
  values: Values
  operands: string[]
}

const SECRET_FLAG = /^--?(app-?security|(app-?)?secret|password|passwd|(access-?|refresh-?|security-)?token)(=|$)/i

/** Whoever is on this machine reads argv in `ps`: a secret there is refused whatever else is wrong, and not repeated. */
export function refuseSecrets(argv: readonly string[], say: Say): void {
  const flag = argv.map((one) => SECRET_FLAG.exec(one)?.[0].replace(/=$/, '')).find(Boolean)
  if (flag === undefined) return
  throw new CliError(
    say({
      en: `${flag} is refused: a command line is seen by every user of this machine and kept in the shell's history. Give the secret by ATTACHE_APP_SECURITY, --app-security-file FILE (- is stdin) or \`attache login\`; what was typed here counts as known to others`,
      zh: `不接受 ${flag}：命令行对本机所有用户可见，并会留在 shell 历史中。请用 ATTACHE_APP_SECURITY、--app-security-file 文件（- 为标准输入）或 attache login 提供密钥；刚才输入的密钥应视为已泄露`,
    }),
  )
}

export function parse(args: readonly string[], infos: Record<string, OptionInfo>, say: Say): Parsed {
  const options = Object.fromEntries(
    Object.entries(infos).map(([name, { value, short }]) => [
      name,
      { type: value ? ('string' as const) : ('boolean' as const), ...(short && { short }) },
    ]),
  )
  const { values, positionals } = parseArgs({ args: [...args], options, allowPositionals: true })
  const empty = Object.entries(values).find(([, value]) => value === '')
  if (empty) throw new CliError(say({ en: `--${empty[0]} is empty`, zh: `--${empty[0]} 为空` }))
  if ([...Object.values(values), ...positionals].filter((value) => value === '-').length > 1)
    throw new CliError(say({ en: '- can stand for stdin once only', zh: '- 只能代表一次标准输入' }))
  return { values: values as Values, operands: positionals }
}

/** The value of an option that takes one. */
export function textOf(values: Values, name: string): string | undefined {
  const value = values[name]
  return typeof value === 'string' ? value : undefined
}

export function wholeOf(values: Values, name: string, say: Say): number | undefined {
  const text = textOf(values, name)
  if (text === undefined) return undefined
  const number = Number(text)
  if (!/^\d{1,4}$/.test(text) || number < 1)
    throw wrong(name, text, say({ en: 'a number from 1 to 9999', zh: '1 到 9999 的整数' }), say)
  return number
}

const UNIT_SECONDS: Record<string, number> = { '': 1, s: 1, m: 60, h: 3600, d: 86_400 }

/** `90`, `90s`, `10m`, `1h`, `7d` in whole seconds. */
export function secondsOf(values: Values, name: string, say: Say): number | undefined {
  const text = textOf(values, name)
  if (text === undefined) return undefined
  const [, digits, unit = ''] = /^(\d{1,12})([smhd]?)$/.exec(text) ?? []
  const seconds = Number(digits) * (UNIT_SECONDS[unit] ?? Number.NaN)
  if (!(seconds >= 1))
    throw wrong(name, text, say({ en: 'a time such as 90s, 10m, 1h or 7d', zh: '时长，如 90s、10m、1h、7d' }), say)
  return seconds
}

/** `5/s`, `100/m` or `5`, as a number a second. */
export function rateOf(values: Values, name: string, say: Say): number | undefined {
  const text = textOf(values, name)
  if (text === undefined) return undefined
  const [, digits, unit = 's'] = /^(\d{1,6}(?:\.\d{1,3})?)(?:\/(s|m))?$/.exec(text) ?? []
  const rate = Number(digits) / (unit === 'm' ? 60 : 1)
  if (!(rate > 0)) throw wrong(name, text, say({ en: 'a rate such as 5/s or 100/m', zh: '速率，如 5/s、100/m' }), say)
  return rate
}

function wrong(name: string, text: string, wanted: string, say: Say): CliError {
  const shown = JSON.stringify(text)
  return new CliError(
    say({ en: `--${name} ${shown} can't be used: give ${wanted}`, zh: `--${name} ${shown} 无法使用：应为${wanted}` }),
  )
}
