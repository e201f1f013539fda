import { inspect } from 'node:util'
import closeWithGrace from 'close-with-grace'
import { appCommand } from './commands/app.ts'
import { attachmentCommand } from './commands/attachment.ts'
import { auditCommand } from './commands/audit.ts'
import { type CommandContext, sayFor, UsageError } from './commands/context.ts'
import { documentCommand } from './commands/document.ts'
import { HELP } from './commands/help.ts'
import { keysCommand } from './commands/keys.ts'
import { linksCommand } from './commands/links.ts'
import { migrateCommand } from './commands/migrate.ts'
import { quotaCommand } from './commands/quota.ts'
import { type Running, serveCommand, startCommand } from './commands/serve.ts'
import { backupCommand, gcCommand, restoreCommand, verifyCommand } from './commands/upkeep.ts'
import { readConfig } from './config.ts'
import { ConfigError, isSystemError } from './errors.ts'
import { flushed, redacted } from './logging.ts'
import type { Service } from './service.ts'

async function run(argv: string[], context: Omit<CommandContext, 'config'>): Promise<Running | undefined> {
  const [verb = 'help', ...args] = argv
  if (['help', '--help', '-h'].includes(verb) || args.includes('--help')) {
    context.print(context.say(HELP))
    return undefined
  }
  const serving = SERVING.get(verb)
  if (serving) return serving(args, { ...context, config: readConfig() })
  const command = VERBS.get(verb)
  if (command === undefined) {
    throw new UsageError(`${context.say({ zh: '没有这个命令', en: 'no such verb' })}: ${verb}\n${context.say(HELP)}`)
  }
  const code = await command(args, { ...context, config: readConfig() })
  process.exitCode = typeof code === 'number' ? code : 0
  return undefined
}

const SERVING = new Map<string, Verb<Running>>([
  ['serve', serveCommand],
  ['start', startCommand],
  // Loaded by its verb alone: nothing of it is in a process that was started in another way.
  ['dev', async (args, context) => (await import('./commands/dev.ts')).devCommand(args, context)],
])

/** A number is the exit code. */
const VERBS = new Map<string, Verb<unknown>>([
  ['app', appCommand],
  ['keys', keysCommand],
  ['links', linksCommand],
  ['attachment', attachmentCommand],
  ['document', documentCommand],
  ['audit', auditCommand],
  ['quota', quotaCommand],
  ['verify', verifyCommand],
  ['gc', gcCommand],
  ['backup', backupCommand],
  ['restore', restoreCommand],
  ['migrate-storage', migrateCommand],
])

type Verb<Result> = (args: string[], context: CommandContext) => Promise<Result>

async function main(): Promise<void> {
  const say = sayFor(process.env)
  // What is written is for the user that runs this alone; databases and caches name no mode of their own.
  process.umask(0o077)
  process.once('uncaughtException', endPlainly)
  const signal = whileRead()
  try {
    const print = (line: string) => console.log(line)
    const running = await run(process.argv.slice(2), { print, say, signal })
    if (!running) return
    stopWithGrace(running.service)
    process.off('uncaughtException', endPlainly)
    print(running.announcement)
  } catch (error) {
    if (!isMistake(error)) throw error
    console.error(`attache-server: ${error.message}`)
    process.exitCode = 2
  }
}

/** Aborts when the reader of a stream has gone away, such as `head`; what a verb does besides telling goes on. */
function whileRead(): AbortSignal {
  const gone = new AbortController()
  for (const stream of [process.stdout, process.stderr]) {
    stream.on('error', (error) => {
      if (!isSystemError(error, 'EPIPE')) throw error
      gone.abort(error)
    })
  }
  return gone.signal
}

/** What nobody catches before a service is there to log it: Node itself would print it with the secrets in its words. */
function endPlainly(error: unknown): void {
  console.error(redacted(inspect(error)))
  process.exit(1)
}

/** SIGTERM or SIGINT: not ready at once, requests in flight get their time; a second signal ends it now. */
function stopWithGrace(service: Service): void {
  closeWithGrace(
    { delay: service.stopMilliseconds, logger: { error: (said: unknown) => logged(service, said) } },
    async ({ err }) => {
      if (err) service.app.log.fatal({ err }, 'uncaught')
      await service.drain()
      await service.close()
      await flushed(service.logger)
    },
  )
}

function logged({ app }: Service, said: unknown): void {
  if (said instanceof Error) app.log.error({ err: said }, 'while ending')
  else app.log.error(String(said))
}

/** A wrong option of `parseArgs` counts as the caller's mistake as well. */
function isMistake(error: unknown): error is Error {
  if (error instanceof ConfigError || error instanceof UsageError) return true
  return error instanceof Error && 'code' in error && String(error.code).startsWith('ERR_PARSE_ARGS_')
}

await main()
