import { attachmentsOf } from '@attache/client/node'
import type { Context } from '../context.ts'
import { EXIT, type ExitCode } from '../exit-codes.ts'
import { CliError, isClientError, toldOf } from '../failures.ts'
import { nameIn } from '../refs.ts'
import { session } from '../session.ts'
import { printable } from '../words.ts'

/** `ls CODE…`: `ID:KEY`, a tab and the name of each attachment; `links --from -` takes these lines. */
export async function ls(context: Context): Promise<ExitCode> {
  const { operands, output, say, signal } = context
  if (operands.length === 0)
    throw new CliError(say({ en: 'name at least one document: ls CODE…', zh: '请至少给出一个单号：ls 单号…' }))
  const client = await session(context)
  let exitCode: ExitCode = EXIT.ok
  for (const code of operands) {
    try {
      const document = await client.document(code, { signal })
      for (const { fileId: id, key, fileName = nameIn(key) } of attachmentsOf(document)) {
        const text = `${id}:${output.shown(key)}\t${output.shown(fileName)}`
        output.result({ type: 'attachment', code, flowId: document.id, id, key, fileName }, text)
      }
    } catch (error) {
      if (!isClientError(error) || error.kind !== 'not-found') throw error
      exitCode = EXIT.notFound
      output.failure(toldOf(error, say), printable(code))
    }
  }
  return exitCode
}
