import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { isSystemError } from '../errors.ts'
import { nameOfFinding, type Scan, type Scanner } from './scanner.ts'

const LONGEST_OUTPUT = 4096
const CLEAN = 0
const INFECTED = 1

/**
 * A program that reads the file on stdin and says by its exit code what it found, as clamscan and clamdscan do: 0 nothing,
 * 1 something, whose name stands in the first line it prints; anything else is a failure. It is started without a shell,
 * with these arguments and no others, and with none of our environment.
 */
export function scanCommand(program: string, args: readonly string[]): Scanner {
  return { open: () => start(program, args) }
}

function start(program: string, args: readonly string[]): Scan {
  const child = spawn(program, args, {
    stdio: ['pipe', 'pipe', 'ignore'],
    env: { PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin', LANG: 'C' },
  })
  const ended = once(child, 'close')
  ended.catch(() => {})
  child.on('error', () => {})
  let output = ''
  child.stdout.setEncoding('utf8').on('data', (piece: string) => {
    if (output.length < LONGEST_OUTPUT) output += piece
  })
  // A program that has seen enough may close its end; its exit code counts.
  child.stdin.on('error', () => {})

  return {
    write: (chunk) =>
      new Promise((done, failed) => {
        child.stdin.write(chunk, (error) => (error && !isClosedPipe(error) ? failed(error) : done()))
      }),
    async verdict() {
      child.stdin.end()
      const [code, signal] = await ended
      if (code === CLEAN) return undefined
      if (code === INFECTED) return nameOfFinding(output.split('\n', 1)[0] ?? '')
      throw new Error(`the scan command ended with ${code ?? signal}`)
    },
    close() {
      child.stdin.destroy()
      if (child.exitCode === null && child.signalCode === null) child.kill('SIGKILL')
    },
  }
}

function isClosedPipe(error: Error): boolean {
  return ['EPIPE', 'ERR_STREAM_DESTROYED', 'ERR_STREAM_WRITE_AFTER_END', 'ECONNRESET'].some((code) =>
    isSystemError(error, code),
  )
}
