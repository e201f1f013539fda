import { readFile, rm, writeFile } from 'node:fs/promises'
import { isObject } from './answers.ts'
import { type ContentFacts, isRight, sameContents } from './contents.ts'
import { type FileDigests, fileDigests, isCode, readThrough } from './files.ts'
import { type AttachmentRef, idOf } from './wire.ts'

/** What lies in `PATH.part`, and what is known of the whole. */
export interface Begun {
  at: number
  facts: ContentFacts
  digests: FileDigests
}

export interface SavedFile {
  path: string
  /** In bytes. */
  size: number
  /** Lower-case hex. */
  sha256: string
  /** How many bytes of an earlier, broken-off download were used. */
  resumedFrom: number
}

/** What an earlier run left, read through once; `undefined` when it can't be used. */
export async function begunAt(path: string, ref: AttachmentRef): Promise<Begun | undefined> {
  const facts = await noted(path, ref)
  if (facts === undefined) return undefined
  const digests = fileDigests()
  const at = await readThrough(partOf(path), digests.update)
  return at === undefined || at === 0 || at > (facts.size ?? 0) ? undefined : { at, facts, digests }
}

/**
 * A file that got its name in a run which ended before anybody heard of it. Known by the length and a digest that the server
 * told when it was fetched; `undefined` when there is none, or nothing tells what it should be.
 */
export async function unheardFile(ref: AttachmentRef, path: string): Promise<SavedFile | undefined> {
  const facts = await noted(path, ref)
  if (facts === undefined || !tellsContents(facts)) return undefined
  const digests = fileDigests()
  if ((await readThrough(path, digests.update)) === undefined) return undefined
  const { sha256, ...there } = digests.result()
  const { size } = there
  return isRight(there, facts) ? { path, size, sha256, resumedFrom: size } : undefined
}

/** Whether they tell right bytes from others of the same length. */
export function tellsContents({ crc64, md5 }: ContentFacts): boolean {
  return crc64 !== undefined || md5 !== undefined
}

/** Tells a later run what `PATH.part` is the beginning of. */
export async function note(path: string, ref: AttachmentRef, facts: ContentFacts): Promise<void> {
  if (facts.etag === undefined || facts.size === undefined) return forgetNote(path)
  const known = await noted(path, ref)
  if (known !== undefined && sameContents(known, facts)) return
  await writeFile(noteOf(path), JSON.stringify({ id: idOf(ref), key: ref.key, facts }))
}

async function noted(path: string, ref: AttachmentRef): Promise<ContentFacts | undefined> {
  try {
    const kept: unknown = JSON.parse(await readFile(noteOf(path), 'utf8'))
    if (!isObject(kept) || kept['id'] !== idOf(ref) || kept['key'] !== ref.key || !isObject(kept['facts']))
      return undefined
    const { etag, size } = kept['facts']
    return typeof etag === 'string' && Number.isSafeInteger(size) ? (kept['facts'] as ContentFacts) : undefined
  } catch (error) {
    if (error instanceof SyntaxError || isCode(error, 'ENOENT')) return undefined
    throw error
  }
}

/** For a file whose saving is on record. */
export async function forgetNote(path: string): Promise<void> {
  await rm(noteOf(path), { force: true })
}

export async function discard(path: string): Promise<void> {
  await rm(partOf(path), { force: true })
  await forgetNote(path)
}

export function partOf(path: string): string {
  return `${path}.part`
}

export function noteOf(path: string): string {
  return `${path}.part.json`
}
