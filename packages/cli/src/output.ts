import type { Told } from './failures.ts'
import type { Row } from './rows.ts'
import { onOneLine, printable, type Say } from './words.ts'

export interface OutputOptions {
  stdout: NodeJS.WriteStream
  stderr: NodeJS.WriteStream
  json: boolean
  quiet: boolean
  say: Say
}

/** Two places: results on stdout, as text or as JSON lines; words on stderr. */
export interface Output {
  readonly json: boolean
  /** Whether progress may be shown. */
  readonly progress: boolean
  readonly stderr: NodeJS.WriteStream
  /** A result: `text` for a reader (nothing when undefined), `row` for a program. */
  result(row: Row, text?: string): void
  /** A key or a name as stdout may have it: whole, unless a person sees it. */
  shown: (text: string) => string
  /** A word for whoever watches. */
  note(text: string): void
  failure(told: Told, about?: string): void
  /** Wipes what is drawn at the bottom of the terminal before anything else is written. */
  wipe: () => void
}

export function output({ stdout, stderr, json, quiet, say }: OutputOptions): Output {
  const write = (stream: NodeJS.WriteStream, text: string) => {
    out.wipe()
    stream.write(`${text}\n`)
  }
  const out: Output = {
    json,
    progress: !json && !quiet,
    stderr,
    wipe: () => {},
    shown: stdout.isTTY ? printable : onOneLine,
    result(row, text) {
      if (json) write(stdout, lineOf(row))
      else if (text !== undefined) write(stdout, text)
    },
    note: (text) => write(stderr, text),
    failure(told, about) {
      const { message, fix } = told
      write(stderr, `attache: ${about ? `${about}: ` : ''}${message}`)
      if (fix) write(stderr, `  ${say({ en: 'fix', zh: '解决' })}: ${fix}`)
      if (json) write(stdout, lineOf({ type: 'error', ...(about && { about }), ...told }))
    },
  }
  return out
}

/** Much that reads lines takes U+2028 and U+2029 for their ends, and a name may hold them. */
function lineOf(row: Row): string {
  return JSON.stringify(row).replaceAll('\u2028', '\\u2028').replaceAll('\u2029', '\\u2029')
}
