import type { DocumentRequest } from '@attache/protocol'
import { Failure, type FailureDetail } from '../errors.ts'

/** Where an attachment stands: in the form's body, in a detail or its invoice, in an approval or a receipt. */
export type Place = 'body' | 'free' | 'invoice' | 'approving' | 'receipt'

/** An attachment of a document as it is stored beside the form, so that nobody has to read the form for it. */
export interface PlacedAttachment {
  place: Place
  /** The id of the detail, for `free` and `invoice`. */
  freeId?: string
  fileId: string
  key: string
  /** As the form has it, which may be another than at upload. */
  fileName?: string
}

export interface FoundTriple extends PlacedAttachment {
  /** Such as `form.details[3].feeTypeForm.attachments[0]`. */
  path: string
}

export interface Findings {
  triples: FoundTriple[]
  /** The ids to give to details that were sent without one, by their index. */
  newDetailIds: Map<number, string>
  /** What is not of the shape that it must have. */
  wrong: FailureDetail[]
}

export type JsonObject = Record<string, unknown>

export const MAX_DETAILS = 5000
export const MAX_ATTACHMENTS = 10_000
/** In characters; ours are 22. */
export const LONGEST_ID = 128

/**
 * Looks where attachments may stand, and nowhere else. A triple without its ids is found too: it names no attachment.
 * Throws `TooManyItems` before anything is kept of a list that is too long.
 */
export function findTriples({ form, logs = [], receipts = [] }: DocumentRequest, newId: () => string): Findings {
  const found: Findings = { triples: [], newDetailIds: new Map(), wrong: [] }
  const { triples, wrong } = found
  const seen = new Set<string>()

  function take(list: unknown, path: string, where: Pick<PlacedAttachment, 'place' | 'freeId'>): void {
    const items = arrayAt(list, path, wrong)
    refuseTooMany(triples.length + items.length)
    for (const [index, item] of items.entries()) {
      const { fileId, key, fileName } = isObject(item) ? item : {}
      triples.push({
        ...where,
        fileId: isShortText(fileId, LONGEST_ID) ? fileId : '',
        key: typeof key === 'string' ? key : '',
        ...(typeof fileName === 'string' && { fileName }),
        path: `${path}[${index}]`,
      })
    }
  }

  function detailId(sent: unknown, index: number, path: string): string {
    if (sent === undefined || sent === null || sent === '') {
      const id = newId()
      found.newDetailIds.set(index, id)
      return id
    }
    if (!isShortText(sent, LONGEST_ID)) wrong.push({ path, message: `必须为不超过${LONGEST_ID}个字符的字符串` })
    else if (seen.has(sent)) wrong.push({ path, message: '与另一条费用明细重复' })
    else seen.add(sent)
    return String(sent)
  }

  take(form['attachments'], 'form.attachments', { place: 'body' })
  const details = arrayAt(form['details'], 'form.details', wrong)
  if (details.length > MAX_DETAILS) throw new Failure('TooManyItems', { message: `费用明细不能超过${MAX_DETAILS}条` })
  for (const [index, detail] of details.entries()) {
    const path = `form.details[${index}]`
    const fee = objectAt(objectAt(detail, path, wrong)?.['feeTypeForm'], `${path}.feeTypeForm`, wrong)
    if (fee === undefined) continue
    const freeId = detailId(fee['detailId'], index, `${path}.feeTypeForm.detailId`)
    take(fee['attachments'], `${path}.feeTypeForm.attachments`, { place: 'free', freeId })
    const invoice = objectAt(fee['invoiceForm'], `${path}.feeTypeForm.invoiceForm`, wrong)
    take(invoice?.['attachments'], `${path}.feeTypeForm.invoiceForm.attachments`, { place: 'invoice', freeId })
  }
  for (const [index, log] of logs.entries()) {
    const path = `logs[${index}]`
    take(objectAt(log, path, wrong)?.['attachments'], `${path}.attachments`, { place: 'approving' })
  }
  take(receipts, 'receipts', { place: 'receipt' })
  return found
}

export function refuseTooMany(attachments: number): void {
  if (attachments > MAX_ATTACHMENTS)
    throw new Failure('TooManyItems', { message: `单据的附件数量不能超过${MAX_ATTACHMENTS}` })
}

export function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** Text that every database keeps, and an index too. */
export function isShortText(value: unknown, longest: number): value is string {
  return (
    typeof value === 'string' &&
    value !== '' &&
    value.length <= longest &&
    value.isWellFormed() &&
    !/[\x00-\x1f\x7f]/.test(value)
  )
}

function arrayAt(value: unknown, path: string, wrong: FailureDetail[]): unknown[] {
  if (Array.isArray(value)) return value
  if (value !== undefined && value !== null) wrong.push({ path, message: '必须为数组' })
  return []
}

function objectAt(value: unknown, path: string, wrong: FailureDetail[]): JsonObject | undefined {
  if (isObject(value)) return value
  if (value !== undefined && value !== null) wrong.push({ path, message: '必须为对象' })
  return undefined
}
