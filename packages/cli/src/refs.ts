import { createReadStream } from 'node:fs'
import { text } from 'node:stream/consumers'
import { attachmentsOf, type NodeClient } from '@attache/client/node'
import { textOf } from './arguments.ts'
import type { Context } from './context.ts'
import { CliError, codeOf } from './failures.ts'
import { printable, type Say } from './words.ts'

/** An attachment as it was named on the command line, in a file or by a document. */
export interface NamedRef {
  id: string
  key: string
  fileName: string
}

/** The attachments that `ID:KEY…`, `--from` and `--document` name, in that order. */
export async function refsOf(client: NodeClient, context: Context): Promise<NamedRef[]> {
  const { operands, values, say, signal } = context
  const from = textOf(values, 'from')
  const document = textOf(values, 'document')
  if (operands.length === 0 && from === undefined && document === undefined) {
    throw new CliError(
      say({
        en: 'name attachments by ID:KEY, --from FILE or --document CODE',
        zh: '请用 ID:KEY、--from 文件 或 --document 单号 指明附件',
      }),
    )
  }
  const named = operands.map((text) => refIn(text, say))
  if (from !== undefined) named.push(...(await refsFrom(from, context)))
  if (document !== undefined) {
    for (const { fileId, key, fileName } of attachmentsOf(await client.document(document, { signal })))
      named.push({ id: fileId, key, fileName: fileName ?? nameIn(key) })
  }
  return named
}

function refIn(text: string, say: Say): NamedRef {
  // Ids hold no colon; a key holds a file name, which may.
  const [, id, key] = /^([^:\s]+):(.+)$/s.exec(text) ?? []
  if (id === undefined || key === undefined || id.startsWith('{'))
    throw new CliError(
      say({
        en: `${shown(text)} is not ID:KEY, such as 61sbwX3DEAgk00:openapi…-发票.pdf`,
        zh: `${shown(text)} 不是 ID:KEY，例如 61sbwX3DEAgk00:openapi…-发票.pdf`,
      }),
    )
  return { id, key, fileName: nameIn(key) }
}

async function refsFrom(path: string, { stdin, say }: Pick<Context, 'stdin' | 'say'>): Promise<NamedRef[]> {
  const input = path === '-' ? stdin : createReadStream(path)
  const refs: NamedRef[] = []
  let number = 0
  try {
    // Not by `readline`, to which U+2028 and U+2029 in a name are ends of a line.
    for (const line of (await text(input)).split('\n')) {
      number++
      const ref = refInLine(line.replace(/\r$/, ''), say)
      if (ref !== undefined) refs.push(ref)
    }
  } catch (error) {
    if (error instanceof CliError)
      throw new CliError(`--from ${path}, ${say({ en: 'line', zh: '第' })} ${number}: ${error.message}`)
    if (codeOf(error) === undefined) throw error
    throw new CliError(say({ en: `--from: can't read ${path}`, zh: `--from：无法读取 ${path}` }), { cause: error })
  }
  return refs
}

/** What `upload`, `ls` and the manifest write, in text or JSON; lines of other kinds are passed over. Spaces may be a name's own. */
function refInLine(line: string, say: Say): NamedRef | undefined {
  if (line.trim() === '') return undefined
  if (!line.trimStart().startsWith('{')) return refIn(line.split('\t')[0] ?? '', say)
  const value = objectIn(line, say)
  const { type, id = value['fileId'], key, fileName } = value
  if (type !== undefined && !['uploaded', 'attachment', 'file', 'link', 'missing'].includes(String(type)))
    return undefined
  if (typeof id !== 'string' || typeof key !== 'string' || id === '' || key === '')
    throw new CliError(say({ en: 'has no "id" (or "fileId") and "key"', zh: '缺少 "id"（或 "fileId"）和 "key"' }))
  return { id, key, fileName: typeof fileName === 'string' && fileName !== '' ? fileName : nameIn(key) }
}

function objectIn(line: string, say: Say): Record<string, unknown> {
  try {
    return JSON.parse(line) as Record<string, unknown>
  } catch {
    throw new CliError(say({ en: 'is not JSON', zh: '不是 JSON' }))
  }
}

/** The key without its `openapi<uuid>-`. */
export function nameIn(key: string): string {
  return /^openapi[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}-(.+)$/is.exec(key)?.[1] ?? key
}

function shown(text: string): string {
  return JSON.stringify(printable(text.length > 80 ? `${text.slice(0, 80)}…` : text))
}
