import { COMMANDS, type CommandInfo } from './commands.ts'
import { EXIT_WORDS } from './exit-codes.ts'
import { GLOBAL, type OptionInfo } from './options.ts'
import type { Say } from './words.ts'

/** What `attache --help` prints. */
export function overview(say: Say): string {
  const commands = table(Object.entries(COMMANDS).map(([name, { about }]) => [`  ${name}`, say(about)]))
  const codes = Object.entries(EXIT_WORDS).map(([code, words]) => `${code} ${say(words)}`)
  return `attache ${say({ en: 'COMMAND', zh: '命令' })}

${commands}

${say({ en: 'attache COMMAND --help tells its options. Settings: option > ATTACHE_… > profile > default.', zh: 'attache 命令 --help 查看选项。设置优先级：选项 > ATTACHE_… > 配置档 > 默认值。' })}
${say({ en: 'Exit codes', zh: '退出码' })}:
${codes.map((line) => `  ${line}`).join('\n')}`
}

export function commandHelp(name: string, { operands, about, options }: CommandInfo, say: Say): string {
  return `attache ${name}${operands && ` ${operands}`}

  ${say(about)}

${rows({ ...options, ...GLOBAL }, say)}`
}

function rows(options: Record<string, OptionInfo>, say: Say): string {
  return table(
    Object.entries(options).map(([name, { short, value, about }]) => [
      `  ${short ? `-${short}, ` : '    '}--${name}${value ? ` ${value}` : ''}`,
      say(about),
    ]),
  )
}

function table(lines: [string, string][]): string {
  const width = Math.max(...lines.map(([left]) => left.length)) + 2
  return lines.map(([left, right]) => left.padEnd(width) + right).join('\n')
}
