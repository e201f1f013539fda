import { ConfigError } from '../errors.ts'
import { clamd, clamdAddress } from './clamd.ts'
import { scanCommand } from './command.ts'
import type { Scanner } from './scanner.ts'

/** What an operator sets: a clamd, or a program with its arguments. */
export interface ScannerSettings {
  clamd: string | undefined
  command: string | undefined
}

export function openScanner({ clamd: address, command }: ScannerSettings): Scanner | undefined {
  if (address !== undefined && command !== undefined) {
    throw new ConfigError('ATTACHE_SCAN_CLAMD and ATTACHE_SCAN_COMMAND: set one of them.')
  }
  if (address !== undefined) {
    const parsed = clamdAddress(address)
    if (parsed) return clamd(parsed)
    throw new ConfigError('ATTACHE_SCAN_CLAMD: give a path such as /run/clamav/clamd.ctl, or host:port.')
  }
  if (command === undefined) return undefined
  const [program = '', ...args] = command.trim().split(/\s+/)
  if (program.startsWith('/')) return scanCommand(program, args)
  throw new ConfigError('ATTACHE_SCAN_COMMAND: begin with the absolute path of the program; no shell reads it.')
}
