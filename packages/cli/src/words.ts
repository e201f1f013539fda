export interface Words {
  zh: string
  en: string
}

/** Picks the reader's language. */
export type Say = (words: Words) => string

export type Environment = Readonly<Record<string, string | undefined>>

/** `--lang`, then ATTACHE_LANG, then the locale in POSIX's order. Read before anything else, so that every mistake is told in it. */
export function sayFor(argv: readonly string[], env: Environment): Say {
  const flag = argv.flatMap((one, index) =>
    one === '--lang' ? [argv[index + 1]] : (/^--lang=(.*)/.exec(one)?.[1] ?? []),
  )
  const locale = flag[0] || env['ATTACHE_LANG'] || env['LC_ALL'] || env['LC_MESSAGES'] || env['LANG'] || ''
  return /^zh/i.test(locale) ? ({ zh }) => zh : ({ en }) => en
}

// Beside controls, which can move a terminal's cursor: what turns the direction of text.
const UNPRINTABLE = /[\x00-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069]/g

// ASCII's and Latin-1's: no name that the server takes has them.
const CONTROLS = /[\x00-\x1f\x7f-\x9f]/g

/** A text from outside on one line, for a program: as it is, but for what would end the line or a column of it. */
export function onOneLine(text: string): string {
  return text.replace(CONTROLS, '\ufffd')
}

/** A text from outside on one line, as a terminal may see it. */
export function printable(text: string): string {
  return text.replace(UNPRINTABLE, '\ufffd')
}
