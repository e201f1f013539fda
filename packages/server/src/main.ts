import closeWithGrace from 'close-with-grace'
import { appCommand } from './commands/app.ts'
import { attachmentCommand } from './commands/attachment.ts'
import { type CommandContext, sayFor, UsageError } from './commands/context.ts'
import { documentCommand } from './commands/document.ts'
import { keysCommand } from './commands/keys.ts'
import { linksCommand } from './commands/links.ts'
import { type Running, serveCommand, startCommand } from './commands/serve.ts'
import { readConfig } from './config.ts'
import { ConfigError } from './errors.ts'
import type { Service } from './service.ts'

const HELP = {
  en: `attache-server VERB

  serve                                   run the service as configured
  start [--json]                          the same with a demo corporation, loopback only
  dev [--memory] [--port N] [--seed FILE] [--fault PRESET[=N]] [--json]
                                          start, with hints, faults and a clock to set: docs/development.md
  app create --corporation NAME [--id ID] a corporation's appKey and appSecurity, shown once
  app list | app disable APPKEY
  keys show --corporation ID [--json]     the pair that signs its links
  keys rotate [--grace SECONDS]           end all links, at once or after a grace
  links revoke --corporation ID           end all links of one corporation
  attachment show|remove FILE_ID
  document remove CODE --corporation ID   callers hear 单据已删除 from then on

Settings are environment variables: docs/configuration.md. Exit codes: 0 done, 1 a fault, 2 a mistake in the command or a setting.`,
  zh: `attache-server 命令

  serve                                   按配置运行服务
  start [--json]                          同上，附带演示企业，仅限本机
  dev [--memory] [--port N] [--seed FILE] [--fault PRESET[=N]] [--json]
                                          开发模式：提示、故障注入、可调时钟，见 docs/development.md
  app create --corporation 名称 [--id ID] 为企业创建appKey和appSecurity（只显示一次）
  app list | app disable APPKEY           列出或停用
  keys show --corporation ID [--json]     显示签发其链接的密钥对
  keys rotate [--grace 秒]                轮换密钥，立即或宽限后终止所有链接
  links revoke --corporation ID           终止一个企业的所有链接
  attachment show|remove FILE_ID          查看或删除附件
  document remove CODE --corporation ID   删除单据，此后调用方得到“单据已删除”

配置为环境变量，见 docs/configuration.md。退出码：0 完成，1 故障，2 命令或配置有误。`,
}

async function run(argv: string[], context: Pick<CommandContext, 'print' | 'say'>): Promise<Running | undefined> {
  const [verb = 'help', ...args] = argv
  if (['help', '--help', '-h'].includes(verb) || args.includes('--help')) {
    context.print(context.say(HELP))
    return undefined
  }
  const command = VERBS.get(verb) ?? SERVING.get(verb)
  if (command === undefined) {
    throw new UsageError(`${context.say({ zh: '没有这个命令', en: 'no such verb' })}: ${verb}\n${context.say(HELP)}`)
  }
  return (await command(args, { ...context, config: readConfig() })) ?? undefined
}

const SERVING = new Map<string, Verb<Running>>([
  ['serve', serveCommand],
  ['start', startCommand],
  // Loaded by its verb alone: nothing of it is in a process that was started in another way.
  ['dev', async (args, context) => (await import('./commands/dev.ts')).devCommand(args, context)],
])

const VERBS = new Map<string, Verb<void>>([
  ['app', appCommand],
  ['keys', keysCommand],
  ['links', linksCommand],
  ['attachment', attachmentCommand],
  ['document', documentCommand],
])

type Verb<Result> = (args: string[], context: CommandContext) => Promise<Result>

async function main(): Promise<void> {
  const say = sayFor(process.env)
  try {
    const print = (line: string) => console.log(line)
    const running = await run(process.argv.slice(2), { print, say })
    if (!running) return
    stopWithGrace(running.service)
    print(running.announcement)
  } catch (error) {
    if (!isMistake(error)) throw error
    console.error(`attache-server: ${error.message}`)
    process.exitCode = 2
  }
}

/** SIGTERM or SIGINT: not ready at once, requests in flight get their time; a second signal ends it now. */
function stopWithGrace(service: Service): void {
  closeWithGrace(
    { delay: service.stopMilliseconds, logger: { error: (...words: unknown[]) => service.app.log.error(words) } },
    async ({ err }) => {
      if (err) service.app.log.fatal({ err }, 'uncaught')
      await service.drain()
      await service.close()
    },
  )
}

/** A wrong option of `parseArgs` counts as the caller's mistake as well. */
function isMistake(error: unknown): error is Error {
  if (error instanceof ConfigError || error instanceof UsageError) return true
  return error instanceof Error && 'code' in error && String(error.code).startsWith('ERR_PARSE_ARGS_')
}

await main()
