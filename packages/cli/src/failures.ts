import type { AttacheError } from '@attache/client/node'
import { EXIT, type ExitCode, exitCodeOf } from './exit-codes.ts'
import { printable, type Say, type Words } from './words.ts'

/** A failure that this program words itself: one line, and what to do. */
export class CliError extends Error {
  override readonly name = 'CliError'
  readonly exitCode: ExitCode

  constructor(message: string, { exitCode = EXIT.usage, cause }: { exitCode?: ExitCode; cause?: unknown } = {}) {
    super(message, { cause })
    this.exitCode = exitCode
  }
}

/** What is told of a failure, in words and in JSON. Holds no token, no secret and no signed URL. */
export interface Told {
  exitCode: ExitCode
  kind: string
  message: string
  /** What to do about it. */
  fix?: string
  status?: number
  code?: string
  requestId?: string
}

/** Whatever was thrown, as far as it may be told. */
export function toldOf(error: unknown, say: Say): Told {
  if (error instanceof CliError) return { exitCode: error.exitCode, kind: 'cli', message: error.message }
  if (isClientError(error)) return toldOfClient(error, say)
  const message = error instanceof Error ? error.message : String(error)
  if (codeOf(error)?.startsWith('ERR_PARSE_ARGS_')) return { exitCode: EXIT.usage, kind: 'usage', message }
  const code = codeOf(error)
  const fix = code && SYSTEM_FIXES[code]
  return { exitCode: EXIT.fatal, kind: 'system', message, ...(code && { code }), ...(fix && { fix: say(fix) }) }
}

function toldOfClient(error: AttacheError, say: Say): Told {
  const { kind, status, code, requestId } = error
  const fix = FIXES[kind]
  return {
    exitCode: exitCodeOf(error),
    kind,
    message: printable(fix ? withoutNextStep(error.message) : error.message),
    ...(fix && { fix: say(fix) }),
    ...(status !== undefined && { status }),
    ...(code !== undefined && { code }),
    ...(requestId !== undefined && { requestId }),
  }
}

/** The SDK ends its messages with a next step in its own words; here `fix` is that, in the reader's language and this program's terms. */
function withoutNextStep(message: string): string {
  return message.replace(/; (?:download it again; .*|[^;]*)$/, '')
}

/** By name: to import the client for `instanceof` would load it for `--help` as well. */
export function isClientError(error: unknown): error is AttacheError {
  return error instanceof Error && error.name === 'AttacheError' && 'kind' in error
}

export function codeOf(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined
}

const FIXES: Partial<Record<AttacheError['kind'], Words>> = {
  network: {
    en: '`attache doctor` tells whether the address, the network or a proxy is to blame',
    zh: '运行 attache doctor 可查明是地址、网络还是代理的问题',
  },
  timeout: { en: 'try again, or allow more with --timeout', zh: '请重试，或用 --timeout 放宽时限' },
  unauthorized: {
    en: '`attache config show --origin` tells where the pair comes from; `attache login` stores another',
    zh: 'attache config show --origin 可查看密钥对的来源；attache login 可重新保存',
  },
  'not-allowed': {
    en: 'the key pair is right: ask the operator of the server for what it names, such as a larger quota',
    zh: '密钥对有效：请按服务器所述联系管理员，例如提高配额',
  },
  'too-large': {
    en: 'the server limits the size of a file: send a smaller one',
    zh: '服务器限制了文件大小：请缩小后再传',
  },
  'rate-limited': { en: 'go slower: --rate 5/s', zh: '请降低速率：--rate 5/s' },
  'not-found': {
    en: 'check the code, id or key, and that it belongs to this corporation',
    zh: '请核对单号、id 或 key，以及是否属于该企业',
  },
  'expired-link': { en: 'ask for a new link: attache links ID:KEY', zh: '请重新获取链接：attache links ID:KEY' },
  unavailable: { en: 'run the same command again later', zh: '请稍后再次运行同一命令' },
  server: { en: 'tell the operator of the server the request id', zh: '请把请求编号告知服务器管理员' },
  protocol: {
    en: 'check that --url is the root of the API and that no proxy answers instead',
    zh: '请核对 --url 是否为 API 根地址，并确认没有代理代答',
  },
  integrity: { en: 'run the same command again; if it stays, tell the operator', zh: '请重试；如仍如此，请告知管理员' },
}

const SYSTEM_FIXES: Record<string, Words> = {
  ENOSPC: { en: 'make room on the disk and run the same command again', zh: '请腾出磁盘空间后再次运行同一命令' },
  EACCES: { en: 'give this user the right to it, or choose another place with -o', zh: '请授予权限，或用 -o 另选位置' },
  EROFS: { en: 'choose another place with -o', zh: '请用 -o 另选位置' },
  ENOTDIR: { en: 'choose another place with -o', zh: '请用 -o 另选位置' },
}
