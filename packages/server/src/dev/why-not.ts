import type { AttachmentName } from '../attachments/attachments.ts'
import type { AttachmentRecord, RecordStore } from '../records/record-store.ts'
import { type Hint, hint, quoted } from './hint.ts'

export interface WhyNotDeps {
  records: Pick<RecordStore, 'attachments' | 'changesSince'>
}

/** Why `id` and `key` name no attachment of the corporation; `at` is where they stand in the request. */
export async function whyNot(
  { id, key }: AttachmentName,
  { at, corporationId }: { at: string; corporationId: string },
  { records }: WhyNotDeps,
): Promise<Hint> {
  const [[byId], byKey] = await Promise.all([records.attachments.byFileIds([id]), records.attachments.byKey(key)])
  const foreign = [byId, byKey].find((record) => record !== undefined && record.corporationId !== corporationId)
  if (foreign) {
    return hint(
      'item-of-another-corporation',
      `${at}: the attachment belongs to another corporation than the accessToken`,
      `${at}：附件属于另一个企业，与accessToken的企业不同`,
    )
  }
  if (byId && byKey) return mismatch(at, `that id goes with the key ${quoted(byId.key)}`, byId)
  if (byId)
    return (await respelt(at, key, byId.key)) ?? mismatch(at, `that id goes with the key ${quoted(byId.key)}`, byId)
  if (byKey) return mismatch(at, `that key goes with the id ${quoted(byKey.fileId)}`, byKey)
  if (await wasRemoved(key, records)) {
    return hint('item-removed', `${at}: the attachment was removed`, `${at}：附件已删除`)
  }
  return hint(
    'item-unknown',
    `${at}: there is no attachment with the id ${quoted(id)}, nor with that key; id is the fileId that upload gave`,
    `${at}：没有id为${quoted(id)}的附件，也没有这个key；id即上传返回的fileId`,
  )
}

function mismatch(at: string, en: string, { fileId, key }: AttachmentRecord): Hint {
  return hint(
    'item-pair-mismatch',
    `${at}: id and key do not belong together; ${en}`,
    `${at}：id和key不属于同一个附件；${quoted(fileId)}对应的key是${quoted(key)}`,
  )
}

/** Whether the key sent is the right one in another spelling. */
async function respelt(at: string, sent: string, right: string): Promise<Hint | undefined> {
  const how = SPELLINGS.find(({ undo }) => undo(sent) === right)
  if (how === undefined) return undefined
  return hint(
    'item-key-respelt',
    `${at}: the key is the right one, but ${how.en}; send it exactly as upload gave it`,
    `${at}：key本身正确，但${how.zh}；请原样使用上传返回的key`,
  )
}

const SPELLINGS: { undo(text: string): string; en: string; zh: string }[] = [
  { undo: decoded, en: 'percent-encoded', zh: '被做了URL编码' },
  { undo: (text) => decoded(text.replaceAll('+', ' ')), en: 'form-encoded', zh: '被做了表单编码' },
  { undo: (text) => text.trim(), en: 'with space around it', zh: '首尾带有空白' },
  { undo: (text) => text.normalize('NFC'), en: 'in another Unicode normalisation', zh: 'Unicode规范化形式不同' },
  { undo: (text) => text.normalize('NFD'), en: 'in another Unicode normalisation', zh: 'Unicode规范化形式不同' },
  { undo: latin1AsUtf8, en: 'UTF-8 that was read as Latin-1', zh: 'UTF-8被当作Latin-1读取' },
]

export function decoded(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch (error) {
    if (error instanceof URIError) return text
    throw error
  }
}

function latin1AsUtf8(text: string): string {
  return Buffer.from(text, 'latin1').toString('utf8')
}

/** As long as the service remembers it, which is an hour. */
async function wasRemoved(key: string, records: Pick<RecordStore, 'changesSince'>): Promise<boolean> {
  let since = 0
  for (;;) {
    const changes = await records.changesSince(since)
    if (changes.some(({ kind, subject }) => kind === 'attachment-removed' && subject.endsWith(` ${key}`))) return true
    const last = changes.at(-1)
    if (last === undefined) return false
    since = last.seq
  }
}
