import { COMMANDS } from '../commands.ts'
import type { Context } from '../context.ts'
import { EXIT, type ExitCode } from '../exit-codes.ts'
import { CliError } from '../failures.ts'
import { GLOBAL, type OptionInfo } from '../options.ts'
import type { Say } from '../words.ts'

const SCRIPTS: Record<string, (say: Say) => string> = { bash, zsh, fish }

/** `completion SHELL`: a script on stdout, whatever else was asked. */
export async function completion({ operands, output, say }: Context): Promise<ExitCode> {
  const [shell = ''] = operands
  const script = Object.hasOwn(SCRIPTS, shell) ? SCRIPTS[shell] : undefined
  if (script === undefined || operands.length > 1) {
    throw new CliError(
      say({
        en: 'attache completion bash|zsh|fish; for bash: eval "$(attache completion bash)"',
        zh: 'attache completion bash|zsh|fish；bash 用法：eval "$(attache completion bash)"',
      }),
    )
  }
  output.result({ type: 'completion', shell, script: script(say) }, script(say))
  return EXIT.ok
}

function optionsOf(name: string): [string, OptionInfo][] {
  return Object.entries({ ...COMMANDS[name]?.options, ...GLOBAL })
}

const NAMES = Object.keys(COMMANDS)

/** Bash 3.2 on, which macOS has. */
function bash(): string {
  const cases = NAMES.map(
    (name) =>
      `    ${name}) words="${optionsOf(name)
        .map(([option]) => `--${option}`)
        .join(' ')}" ;;`,
  )
  return `_attache() {
  local current="\${COMP_WORDS[COMP_CWORD]}" words=""
  COMPREPLY=()
  if [ "$COMP_CWORD" -eq 1 ]; then
    COMPREPLY=($(compgen -W "${NAMES.join(' ')} --help --version" -- "$current"))
    return
  fi
  case "$current" in -*) ;; *)
    case "\${COMP_WORDS[1]}" in
      completion) COMPREPLY=($(compgen -W "bash zsh fish" -- "$current")) ;;
      config) COMPREPLY=($(compgen -W "show" -- "$current")) ;;
    esac
    return ;;
  esac
  case "\${COMP_WORDS[1]}" in
${cases.join('\n')}
  esac
  COMPREPLY=($(compgen -W "$words" -- "$current"))
}
complete -o default -F _attache attache`
}

function zsh(say: Say): string {
  const commands = NAMES.map((name) => `    '${name}:${zshText(say(COMMANDS[name]?.about ?? NONE))}'`)
  const cases = NAMES.map((name) => {
    const options = optionsOf(name).map(
      ([option, { value, about }]) =>
        `'--${option}${value ? '=' : ''}[${zshText(say(about))}]${value ? `:${zshText(value)}:_files` : ''}'`,
    )
    return `    ${name}) _arguments ${options.join(' ')} '*:file:_files' ;;`
  })
  return `#compdef attache
_attache() {
  local -a commands
  commands=(
${commands.join('\n')}
  )
  if (( CURRENT == 2 )); then
    _describe command commands
    return
  fi
  local name=$words[2]
  shift words
  (( CURRENT-- ))
  case $name in
${cases.join('\n')}
  esac
}
compdef _attache attache`
}

function fish(say: Say): string {
  const commands = NAMES.map(
    (name) =>
      `complete -c attache -f -n __fish_use_subcommand -a ${name} -d '${fishText(say(COMMANDS[name]?.about ?? NONE))}'`,
  )
  const options = NAMES.flatMap((name) =>
    optionsOf(name).map(
      ([option, { value, short, about }]) =>
        `complete -c attache -n '__fish_seen_subcommand_from ${name}' -l ${option}${short ? ` -s ${short}` : ''}${value ? ' -r' : ''} -d '${fishText(say(about))}'`,
    ),
  )
  return [...commands, ...options].join('\n')
}

const NONE = { en: '', zh: '' }

function zshText(text: string): string {
  return text.replaceAll("'", "'\\''").replace(/[[\]:]/g, '\\$&')
}

function fishText(text: string): string {
  return text.replace(/['\\]/g, '\\$&')
}
