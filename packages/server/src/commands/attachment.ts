import { noteOperation } from './audit.ts'
import { type CommandContext, UsageError } from './context.ts'
import { existingStores } from './existing-stores.ts'

const USAGE = 'attachment show FILE_ID | attachment remove FILE_ID'

/** `attachment show` prints what is known as JSON; `attachment remove` takes the record, then the bytes. */
export async function attachmentCommand([action, fileId]: string[], context: CommandContext): Promise<void> {
  const { config, print, say } = context
  if ((action !== 'show' && action !== 'remove') || !fileId) throw new UsageError(USAGE)
  await using stores = await existingStores(context)
  const unknown = new UsageError(say({ zh: `没有附件 ${fileId}`, en: `no attachment ${fileId}` }))
  if (action === 'show') {
    const [record] = await stores.records.attachments.byFileIds([fileId])
    if (record === undefined) throw unknown
    return print(JSON.stringify({ ...record, createdAt: new Date(record.createdAt).toISOString() }, null, 2))
  }
  const removed = await stores.records.attachments.remove(fileId, Date.now())
  if (removed === undefined) throw unknown
  const { corporationId, key } = removed
  await noteOperation(config, { verb: 'attachment remove', corporationId, fileId, key })
  await stores.blobs.remove(removed.blobId)
  print(
    say({
      zh: `已删除 ${removed.fileName}（${removed.size}字节），其链接一秒内失效`,
      en: `removed ${removed.fileName} (${removed.size} bytes); its links end within a second`,
    }),
  )
}
