import { readFileSync } from 'node:fs'
import { parse, refuseSecrets } from './arguments.ts'
import { COMMANDS } from './commands.ts'
import type { Context } from './context.ts'
import { EXIT, type ExitCode } from './exit-codes.ts'
import { CliError, codeOf, toldOf } from './failures.ts'
import { GLOBAL } from './options.ts'
import { output } from './output.ts'
import { type Say, sayFor } from './words.ts'

export type Surroundings = Pick<Context, 'env' | 'stdin' | 'signal'> & Record<'stdout' | 'stderr', NodeJS.WriteStream>

/** One command, from its words to its exit code. Throws nothing. */
export async function run(argv: readonly string[], { stdout, stderr, ...around }: Surroundings): Promise<ExitCode> {
  const started = performance.now()
  const { signal } = around
  const say = sayFor(argv, around.env)
  const asked = (name: string, short = name) => argv.includes(name) || argv.includes(short)
  const out = output({ stdout, stderr, json: asked('--json'), quiet: asked('--quiet', '-q'), say })
  const [name = 'help'] = argv
  const finish = (exitCode: ExitCode): ExitCode => {
    out.wipe()
    const milliseconds = Math.round(performance.now() - started)
    out.result({ type: 'summary', command: name, exitCode, milliseconds })
    return exitCode
  }
  try {
    refuseSecrets(argv, say)
    const words = await informationFor(argv, say)
    if (words !== undefined) {
      stdout.write(`${words}\n`)
      return EXIT.ok
    }
    const info = infoOf(name, say)
    const parsed = parse(argv.slice(1), { ...info.options, ...GLOBAL }, say)
    const command = await info.load()
    const exitCode = await command({ ...around, ...parsed, output: out, say })
    return finish(signal.aborted ? interrupted() : exitCode)
  } catch (error) {
    if (signal.aborted) return finish(interrupted())
    const told = toldOf(error, say)
    out.failure(told)
    if (codeOf(error)?.startsWith('ERR_PARSE_ARGS_')) out.note(`  attache ${name} --help`)
    return finish(told.exitCode)
  }

  function interrupted(): ExitCode {
    out.note(
      say({ en: 'attache: interrupted; the same command goes on', zh: 'attache：已中断；再次运行同一命令即可继续' }),
    )
    return EXIT.interrupted
  }
}

/** Help and version, which need no command to run. */
async function informationFor(argv: readonly string[], say: Say): Promise<string | undefined> {
  const [first = '--help', second] = argv
  if (first === '--version' || first === '-V') return versionOf()
  const end = argv.indexOf('--')
  const asksHelp = (end === -1 ? argv : argv.slice(0, end)).some((one) => one === '--help' || one === '-h')
  if (!asksHelp && first !== 'help' && argv.length > 0) return undefined
  const { commandHelp, overview } = await import('./help.ts')
  const name = first === 'help' ? second : first
  return name === undefined || name.startsWith('-') ? overview(say) : commandHelp(name, infoOf(name, say), say)
}

function infoOf(name: string, say: Say) {
  const info = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined
  if (info) return info
  const known = Object.keys(COMMANDS).join(' ')
  throw new CliError(
    say({
      en: `no such command: ${JSON.stringify(name)}; there are ${known}`,
      zh: `没有命令 ${JSON.stringify(name)}；可用：${known}`,
    }),
  )
}

function versionOf(): string {
  const { version } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as {
    version: string
  }
  return version
}
