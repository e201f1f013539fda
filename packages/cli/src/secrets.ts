import { readFile } from 'node:fs/promises'
import { createInterface } from 'node:readline/promises'
import { Writable } from 'node:stream'
import { text } from 'node:stream/consumers'
import type { Context } from './context.ts'
import { EXIT } from './exit-codes.ts'
import { CliError } from './failures.ts'
import type { Say } from './words.ts'

export interface SecretFile {
  appSecurity: string
  /** When the file is JSON with both, such as the server's demo.json. */
  appKey?: string
}

/** A secret, or JSON with a key pair; from stdin for `-`. */
export async function readSecretFile(
  path: string,
  { stdin, say }: Pick<Context, 'stdin' | 'say'>,
): Promise<SecretFile> {
  const content = (path === '-' ? await text(stdin) : await readOf(path, say)).trim()
  const pair = pairIn(content)
  const appSecurity = pair?.['appSecurity'] ?? content
  const appKey = pair?.['appKey']
  if (typeof appSecurity !== 'string' || !/^\S{1,256}$/.test(appSecurity)) {
    const name = path === '-' ? 'stdin' : path
    throw new CliError(
      say({
        en: `${name} holds no appSecurity: put it there alone on one line, or as JSON {"appKey","appSecurity"}`,
        zh: `${name} 中没有 appSecurity：应单独一行，或为 JSON {"appKey","appSecurity"}`,
      }),
    )
  }
  return { appSecurity, ...(typeof appKey === 'string' && { appKey }) }
}

async function readOf(path: string, say: Say): Promise<string> {
  try {
    return await readFile(path, 'utf8')
  } catch (error) {
    throw new CliError(
      say({
        en: `--app-security-file: can't read ${path}: give a file that this user can read`,
        zh: `--app-security-file：无法读取 ${path}：请给出当前用户可读的文件`,
      }),
      { cause: error },
    )
  }
}

function pairIn(content: string): Record<string, unknown> | undefined {
  if (!content.startsWith('{')) return undefined
  try {
    return JSON.parse(content) as Record<string, unknown>
  } catch {
    return {}
  }
}

/** Asks at a terminal; what is typed for a secret is not shown. */
export async function ask(question: string, { stdin, output, signal, say }: Context, hidden = false): Promise<string> {
  const silent = new Writable({ write: (_chunk, _encoding, done) => done() })
  output.stderr.write(`${question}: `)
  // As a terminal, so that the line is edited here, and echoed here or nowhere.
  const lines = createInterface({ input: stdin, output: hidden ? silent : output.stderr, terminal: true })
  const left = new AbortController()
  lines.once('SIGINT', () => left.abort())
  try {
    return (await lines.question('', { signal: AbortSignal.any([signal, left.signal]) })).trim()
  } catch (error) {
    if (!left.signal.aborted) throw error
    throw new CliError(say({ en: 'interrupted', zh: '已中断' }), { exitCode: EXIT.interrupted })
  } finally {
    lines.close()
    if (hidden) output.stderr.write('\n')
  }
}
