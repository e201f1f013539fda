import type { DocumentRequest } from '@attache/protocol'
import { Failure, type FailureDetail } from '../errors.ts'
import {
  type Edit,
  elementsOf,
  type JsonText,
  memberEdits,
  memberOf,
  membersOf,
  valueAt,
  withEdits,
} from '../http/json.ts'
import { type FoundTriple, findTriples, isShortText, LONGEST_ID, type Place } from './document-triples.ts'

/** A create or an update, read and found well-formed; texts are as they were spelt, but for the ids that are ours to give. */
export interface SentDocument {
  /** The form, every detail with its id. */
  form: string
  /** `undefined` when it is ours to give. */
  code: string | undefined
  /** `undefined` where the form doesn't have the name at all, `null` where it empties it. */
  outerCode: string | null | undefined
  formType: string | undefined
  logs: string | undefined
  triples: FoundTriple[]
  /** The places about which the caller said something, if only that nothing stands there. */
  places: ReadonlySet<Place>
}

const LONGEST_CODE = LONGEST_ID
const LONGEST_TYPE = 64

/** Throws `TooManyItems`, or `InvalidItems` with every field that is wrong. Whose the attachments are is not looked at. */
export function readDocument({ text, value }: JsonText<DocumentRequest>, newId: () => string): SentDocument {
  const { form, params } = value
  const { triples, newDetailIds, wrong } = findTriples(value, newId)
  const formType = params?.['formType'] ?? form['formType'] ?? undefined
  for (const name of ['code', 'outerCode']) {
    if (!isEmpty(form[name]) && !isShortText(form[name], LONGEST_CODE))
      wrong.push({ path: `form.${name}`, message: `必须为不超过${LONGEST_CODE}个字符的字符串` })
  }
  if (formType !== undefined && !isShortText(formType, LONGEST_TYPE))
    wrong.push({ path: 'formType', message: `必须为不超过${LONGEST_TYPE}个字符的字符串` })
  refuseWrong(wrong)

  const body = valueAt(text)
  const formSpan = memberOf(text, body, 'form') ?? body
  const logsSpan = memberOf(text, body, 'logs')
  return {
    form: withDetailIds(text.slice(formSpan.start, formSpan.end), newDetailIds),
    code: textOf(form['code']),
    outerCode: 'outerCode' in form ? (textOf(form['outerCode']) ?? null) : undefined,
    formType: textOf(formType),
    logs: logsSpan && text.slice(logsSpan.start, logsSpan.end),
    triples,
    places: placesIn(value),
  }
}

/** Gives the form with a code in it; finding its place is done once. */
export function codeSlot(form: string): (code: string) => string {
  const [edit = { start: 0, end: 0, text: '' }] = memberEdits(form, valueAt(form), new Map([['code', '']]))
  const [head, tail] = [form.slice(0, edit.start) + edit.text, form.slice(edit.end)]
  return (code) => head + JSON.stringify(code) + tail
}

/** `form` with the top-level fields of `given` in it: values change where they stand, new fields come at the end. The code stays. */
export function mergedForm(form: string, given: string): string {
  const values = new Map(
    membersOf(given, valueAt(given)).map(({ name, start, end }) => [name, given.slice(start, end)]),
  )
  values.delete('code')
  return withEdits(form, memberEdits(form, valueAt(form), values))
}

function withDetailIds(form: string, ids: ReadonlyMap<number, string>): string {
  const details = ids.size > 0 ? memberOf(form, valueAt(form), 'details') : undefined
  if (details === undefined) return form
  const edits: Edit[] = []
  for (const [index, detail] of elementsOf(form, details).entries()) {
    const id = ids.get(index)
    const fee = id === undefined ? undefined : memberOf(form, detail, 'feeTypeForm')
    if (fee) edits.push(...memberEdits(form, fee, new Map([['detailId', JSON.stringify(id)]])))
  }
  return withEdits(form, edits)
}

function placesIn({ form, logs, receipts }: DocumentRequest): Set<Place> {
  const places = new Set<Place>()
  if ('attachments' in form) places.add('body')
  if ('details' in form) places.add('free').add('invoice')
  if (logs !== undefined) places.add('approving')
  if (receipts !== undefined) places.add('receipt')
  return places
}

function refuseWrong(wrong: FailureDetail[]): void {
  const [first] = wrong
  if (first) throw new Failure('InvalidItems', { message: `${first.path}${first.message}`, details: wrong })
}

function isEmpty(value: unknown): boolean {
  return value === undefined || value === null || value === ''
}

function textOf(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined
}
