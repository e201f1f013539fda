import { Failure } from '../errors.ts'
import type { DocumentRecord } from '../records/document-records.ts'
import { codeSlot, mergedForm, type SentDocument } from './document-form.ts'
import { type FoundTriple, type Place, type PlacedAttachment, refuseTooMany } from './document-triples.ts'

/** `cover` puts the form in the place of the old one; `increment` puts its top-level fields into the old one. */
export type Edit = 'cover' | 'increment'

/** A form may grow by increments, and by ids of ours, over what one request can hold. */
export const MAX_FORM_BYTES = 3 * 1024 * 1024

export interface Change {
  edit: Edit
  /** Unix time in milliseconds. */
  at: number
}

/** The document one version later. */
export function changed(current: DocumentRecord, sent: SentDocument, { edit, at }: Change): DocumentRecord {
  const { formType = current.formType, logs = current.logs } = sent
  const form = edit === 'cover' ? codeSlot(sent.form)(current.code) : mergedForm(current.form, sent.form)
  if (Buffer.byteLength(form) > MAX_FORM_BYTES) throw new Failure('BodyTooLarge')
  const outerCode = sent.outerCode === undefined && edit === 'increment' ? current.outerCode : (sent.outerCode ?? null)
  const version = current.version + 1
  // Later than the last change even when the clock went back: callers poll by it.
  const updatedAt = Math.max(at, current.updatedAt + 1)
  return {
    ...current,
    formType,
    logs,
    form,
    outerCode,
    version,
    updatedAt,
    attachments: attachmentsAfter(current, sent, edit),
  }
}

const FORM_PLACES: ReadonlySet<Place> = new Set(['body', 'free', 'invoice'])

/** What the update says nothing about stays; a cover speaks for the whole form. */
function attachmentsAfter({ attachments }: DocumentRecord, { places, triples }: SentDocument, edit: Edit): string {
  const before: PlacedAttachment[] = JSON.parse(attachments)
  const kept = before.filter(({ place }) => !places.has(place) && !(edit === 'cover' && FORM_PLACES.has(place)))
  const after = [...kept, ...triples.map(stored)]
  refuseTooMany(after.length)
  return JSON.stringify(after)
}

export function stored({ path: _, ...attachment }: FoundTriple): PlacedAttachment {
  return attachment
}
