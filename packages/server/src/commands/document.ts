import { parseArgs } from 'node:util'
import { noteOperation } from './audit.ts'
import { type CommandContext, UsageError } from './context.ts'
import { existingStores } from './existing-stores.ts'

const USAGE = 'document remove CODE --corporation ID'

/** `document remove` empties a document for good; its attachments stay. */
export async function documentCommand([action, ...args]: string[], context: CommandContext): Promise<void> {
  const { config, print, say } = context
  const { values, positionals } = parseArgs({
    args,
    options: { corporation: { type: 'string' } },
    allowPositionals: true,
  })
  const [code, ...more] = positionals
  const { corporation } = values
  if (action !== 'remove' || !code || more.length > 0 || !corporation) throw new UsageError(USAGE)
  await using stores = await existingStores(context)
  if (!(await stores.records.documents.remove(corporation, code, Date.now()))) {
    throw new UsageError(
      say({ zh: `企业 ${corporation} 没有单据 ${code}`, en: `corporation ${corporation} has no document ${code}` }),
    )
  }
  await noteOperation(config, { verb: 'document remove', corporationId: corporation, detail: code })
  print(
    say({
      zh: `已删除单据 ${code}，其附件仍在`,
      en: `removed document ${code}; its attachments are still there`,
    }),
  )
}
