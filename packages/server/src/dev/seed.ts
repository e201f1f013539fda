import type { DocumentRequest } from '@attache/protocol'
import type { AppParts } from '../app.ts'
import { createApp } from '../commands/app.ts'
import { Failure } from '../errors.ts'
import type { Stores } from '../stores.ts'
import { type Seed, type SeedDocument, seedError } from './seed-file.ts'

export interface SeededAttachment {
  key: string
  fileId: string
  fileName: string
}

export interface SeededDocument {
  flowId: string
  code: string
}

/** In the order of the seed. */
export interface Seeded {
  attachments: SeededAttachment[]
  documents: SeededDocument[]
}

export interface SeedInto {
  parts: Pick<AppParts, 'attachments' | 'documents'>
  stores: Stores
}

/** Adds the apps of a seed, and what its corporations have. */
export async function addSeed(seed: Seed, into: SeedInto): Promise<Seeded> {
  for (const [index, corporation] of seed.corporations.entries()) {
    for (const [at, { appKey, appSecurity }] of corporation.apps.entries()) {
      if (await into.stores.records.apps.find(appKey)) {
        throw seedError(`corporations[${index}].apps[${at}].appKey`, `there is an app ${appKey} already`)
      }
      const { id: corporationId, name: corporationName = corporationId } = corporation
      await createApp(into.stores, { corporationId, corporationName, demo: false, appKey, appSecurity })
    }
  }
  return addContents(seed, into.parts)
}

/** The attachments and documents of a seed whose apps are there. */
export async function addContents(
  { attachments, documents }: Seed,
  parts: Pick<AppParts, 'attachments' | 'documents'>,
): Promise<Seeded> {
  const seeded: Seeded = { attachments: [], documents: [] }
  const byName = new Map<string, SeededAttachment>()
  for (const attachment of attachments) {
    const added = await addAttachment(attachment, parts)
    seeded.attachments.push(added)
    byName.set(`${attachment.corporation}\0${attachment.name}`, added)
  }
  for (const [index, document] of documents.entries()) {
    const named = (name: string) => byName.get(`${document.corporation}\0${name}`)
    seeded.documents.push(await addDocument(document, { at: `documents[${index}]`, named, parts }))
  }
  return seeded
}

export async function addAttachment(
  { name, corporation, bytes }: Seed['attachments'][number],
  { attachments }: Pick<AppParts, 'attachments'>,
): Promise<SeededAttachment> {
  const whole = async function* () {
    yield bytes
  }
  const file = { body: whole(), name: Promise.resolve(name) }
  const { key, fileId, fileName } = await attachments.upload(file, { corporationId: corporation })
  return { key, fileId, fileName }
}

export interface DocumentPlace {
  /** What stands before the path in an error. */
  at: string
  named(name: string): SeededAttachment | undefined
  parts: Pick<AppParts, 'documents'>
}

export async function addDocument(
  { corporation, commit = false, ...sent }: SeedDocument & { corporation: string },
  { at, named, parts }: DocumentPlace,
): Promise<SeededDocument> {
  const value = withTriples(sent, at, named) as DocumentRequest
  try {
    const body = { text: JSON.stringify(value), value }
    const { flowId, code } = await parts.documents.create(body, { caller: { corporationId: corporation }, commit })
    return { flowId, code }
  } catch (error) {
    if (!(error instanceof Failure)) throw error
    const [detail] = error.details ?? []
    throw seedError(detail ? `${at}.${detail.path}` : at, detail?.message ?? error.message)
  }
}

const LISTS = ['attachments', 'receipts']

/** The same with a triple in the place of each name. */
function withTriples(value: unknown, path: string, named: DocumentPlace['named']): unknown {
  if (Array.isArray(value)) return value.map((item, index) => withTriples(item, `${path}[${index}]`, named))
  if (typeof value !== 'object' || value === null) return value
  const entries = Object.entries(value).map(([field, inner]) => {
    const list = LISTS.includes(field) && Array.isArray(inner) ? inner : undefined
    if (list === undefined) return [field, withTriples(inner, `${path}.${field}`, named)]
    return [field, list.map((item, index) => tripleOf(item, `${path}.${field}[${index}]`, named))]
  })
  return Object.fromEntries(entries)
}

function tripleOf(item: unknown, path: string, named: DocumentPlace['named']): unknown {
  if (typeof item !== 'string') return item
  const found = named(item)
  if (found === undefined) throw seedError(path, `no attachment of this corporation is called ${item}`)
  return found
}
