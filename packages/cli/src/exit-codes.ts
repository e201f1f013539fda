import type { AttacheError, ErrorKind } from '@attache/client/node'
import type { Words } from './words.ts'

/** What a script learns without reading words; docs/cli.md has the same table. */
export const EXIT = {
  ok: 0,
  usage: 2,
  auth: 3,
  notFound: 4,
  partial: 5,
  integrity: 6,
  fatal: 7,
  interrupted: 130,
} as const
export type ExitCode = (typeof EXIT)[keyof typeof EXIT]

export const EXIT_WORDS: Record<ExitCode, Words> = {
  0: { en: 'done', zh: '完成' },
  2: { en: 'a mistake in the command or a setting; nothing was sent', zh: '命令或设置有误，未发出任何请求' },
  3: { en: 'no key pair, or it was refused', zh: '没有密钥对，或密钥对被拒绝' },
  4: { en: 'some of what was asked for does not exist', zh: '部分内容不存在' },
  5: { en: 'not complete: the same command again goes on', zh: '未全部完成：再次运行同一命令即可继续' },
  6: { en: 'bytes are not the stored ones, or a link is damaged', zh: '字节与所存不符，或链接已损坏' },
  7: { en: 'it cannot be done until something is changed', zh: '无法完成，需先解决所述问题' },
  130: { en: 'interrupted', zh: '已中断' },
}

const CODES: Partial<Record<ErrorKind, ExitCode>> = {
  usage: EXIT.usage,
  unauthorized: EXIT.auth,
  'not-found': EXIT.notFound,
  integrity: EXIT.integrity,
  network: EXIT.partial,
  timeout: EXIT.partial,
  'rate-limited': EXIT.partial,
  unavailable: EXIT.partial,
  server: EXIT.partial,
  'expired-link': EXIT.partial,
  forbidden: EXIT.partial,
  changed: EXIT.partial,
}

export function exitCodeOf({ kind }: Pick<AttacheError, 'kind'>): ExitCode {
  return CODES[kind] ?? EXIT.fatal
}

// Of several outcomes the one that most needs a human: a wrong byte before a try again, that before what isn't there.
const WORST_FIRST: readonly ExitCode[] = [130, 3, 7, 6, 5, 4, 2]

export function worst(codes: Iterable<ExitCode>): ExitCode {
  const seen = new Set(codes)
  return WORST_FIRST.find((code) => seen.has(code)) ?? EXIT.ok
}
