/** What is wrong with a request and what to do about it, for the person who writes the caller. */
export interface Hint {
  /** Stays the same from version to version: for tests to look at. */
  code: string
  en: string
  zh: string
}

export function hint(code: string, en: string, zh: string): Hint {
  return { code, en, zh }
}

export const HINT_HEADER = 'x-attache-hint'

// Clients and proxies refuse headers of more than 8 or 16 KiB, and a Chinese character takes 9 bytes here.
const MOST_IN_HEADER = 5
const LONGEST_HEADER = 4096

/**
 * `code: English | 中文`, a line for each hint, percent-encoded where it isn't printable ASCII, `%` included: English stays
 * readable as it is, and `decodeURIComponent` gives the whole.
 */
export function hintHeader(hints: readonly Hint[]): string {
  const lines = hints.slice(0, MOST_IN_HEADER).map(({ code, en, zh }) => encoded(`${code}: ${en} | ${zh}`))
  let header = ''
  for (const line of lines) {
    const longer = header === '' ? line : `${header}%0A${line}`
    if (longer.length > LONGEST_HEADER) break
    header = longer
  }
  return header
}

function encoded(text: string): string {
  return text.toWellFormed().replace(/[^\x20-\x24\x26-\x7e]+/gu, encodeURIComponent)
}

/** One line for the console. */
export function hintLine({ code, en, zh }: Hint, { method, path, status }: HintedRequest): string {
  return `hint ${status} ${method} ${quoted(path).slice(1, -1)} ${code}: ${zh} | ${en}`
}

export interface HintedRequest {
  method: string
  path: string
  status: number
}

const LONGEST_QUOTE = 80

/** Somebody's text for a sentence of ours: short, and without what a terminal would obey. */
export function quoted(value: unknown): string {
  const text = typeof value === 'string' ? value : (JSON.stringify(value) ?? String(value))
  const short = text.length > LONGEST_QUOTE ? `${text.slice(0, LONGEST_QUOTE)}…` : text
  return JSON.stringify(short).replace(
    /[\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  )
}

/** A time as a person reads it; of one that is no date the number itself. */
export function timeOf(unixMilliseconds: number): string {
  const date = new Date(unixMilliseconds)
  return Number.isNaN(date.getTime()) ? String(unixMilliseconds) : date.toISOString()
}
