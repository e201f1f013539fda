import { PATHS } from '@attache/protocol'
import { Failure } from '../errors.ts'
import type { RecordStore } from '../records/record-store.ts'
import { type Hint, hint, quoted } from './hint.ts'
import type { Answered } from './hints.ts'
import { whyNot } from './why-not.ts'

/** Why a document was refused; other failures are told again by what they say themselves. */
export async function documentHints(
  code: string,
  { request, path, error }: Answered,
  { records }: { records: RecordStore },
): Promise<Hint[]> {
  const details = (error instanceof Failure && error.details) || []
  const { corporationId } = request.caller ?? { corporationId: '' }
  switch (code) {
    case 'UnknownAttachment': {
      const { value } = (request.body ?? {}) as { value?: unknown }
      const hints = details.slice(0, 20).map(async ({ path: at }) => {
        const triple = (valueAt(value, at) ?? {}) as { fileId?: unknown; key?: unknown }
        return whyNot({ id: String(triple.fileId), key: String(triple.key) }, { at, corporationId }, { records })
      })
      return Promise.all(hints)
    }
    case 'DocumentUnknown':
    case 'ListedDocumentUnknown': {
      const by = path === PATHS.documentByCode ? 'code' : 'flowId'
      const where = details.map(({ path: at }) => at).join(', ')
      return [
        hint(
          'document-unknown',
          `this corporation has no document with that ${by}${where && ` (${where})`}; flowId is flow.id of the answer to create`,
          `该企业没有这个${by}的单据${where && `（${where}）`}；flowId即创建单据时返回的flow.id`,
        ),
      ]
    }
    case 'InvalidItems':
    case 'InvalidParameter':
      return details.length > 0
        ? details.map(({ path: at, message }) =>
            hint('field-invalid', `${quoted(at)} is refused: ${message}`, `${at}${message}`),
          )
        : [hint('field-invalid', `a parameter is refused: ${error?.message}`, String(error?.message))]
    default:
      return []
  }
}

/** The value at a path such as `form.details[3].attachments[0]`. */
function valueAt(value: unknown, path: string): unknown {
  let found = value
  for (const [name] of path.matchAll(/[^.[\]]+/g)) found = (found as Record<string, unknown> | undefined)?.[name]
  return found
}
