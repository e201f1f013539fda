import type { ReadStream } from 'node:tty'
import type { Parsed } from './arguments.ts'
import type { ExitCode } from './exit-codes.ts'
import type { Output } from './output.ts'
import type { Environment, Say } from './words.ts'

/** What a command may touch. */
export interface Context extends Parsed {
  env: Environment
  stdin: ReadStream
  output: Output
  say: Say
  /** Aborts at the first Ctrl-C. */
  signal: AbortSignal
}

export type Command = (context: Context) => Promise<ExitCode>
