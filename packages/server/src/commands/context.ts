import type { Config } from '../config.ts'

/** What a verb may touch: the settings, and two places for words. */
export interface CommandContext {
  config: Config
  /** A line on stdout. */
  print(line: string): void
  /** Picks the reader's language. */
  say: Say
  /** Aborts when nobody reads what is printed any more. */
  signal: AbortSignal
}

export type Say = (words: { zh: string; en: string }) => string

/** The caller's own mistake: told in one line with what to do, exit code 2. */
export class UsageError extends Error {
  override readonly name = 'UsageError'
}

export function sayFor(env: NodeJS.ProcessEnv): Say {
  const locale = env['LC_ALL'] || env['LC_MESSAGES'] || env['LANG'] || ''
  return /^zh/i.test(locale) ? ({ zh }) => zh : ({ en }) => en
}
