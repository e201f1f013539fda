import { mkdir, open, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { dirname, resolve } from 'node:path'
import { isObject } from './answers.ts'
import { type ClientParts, urlIn } from './client.ts'
import { type ContentFacts, isRight, sameContents, verify } from './contents.ts'
import type { DownloadOptions } from './download.ts'
import { AttacheError, isIntegrityError } from './errors.ts'
import { type FileDigests, fileDigests, isCode, readThrough, syncDirectory, writeAll } from './files.ts'
import { type AttachmentRef, idOf } from './wire.ts'

export interface SavedFile {
  path: string
  /** In bytes. */
  size: number
  /** Lower-case hex. */
  sha256: string
  /** How many bytes of an earlier, broken-off download were used. */
  resumedFrom: number
}

/** What lies in `PATH.part`, and what is known of the whole. */
interface Begun {
  at: number
  facts: ContentFacts
  digests: FileDigests
}

export interface FileDownload {
  path: string
  options: DownloadOptions
  /** Hears of the file when it has its name; what tells of a file that nobody has heard of goes only then. */
  settled?: (file: SavedFile) => Promise<void>
}

interface Job extends FileDownload {
  follow: ClientParts['follow']
  ref: AttachmentRef
}

// Two downloads into one `.part` would mix; other processes have to be kept apart by the caller.
const busy = new Set<string>()

/**
 * Saves an attachment as `path`, whole and checked, or not at all: bytes go to `PATH.part` and are renamed when length,
 * CRC-64 and MD5 are right and the disk has them. A `.part` that broke off is gone on with, if its `.part.json` tells of what.
 */
export async function downloadFile(
  follow: ClientParts['follow'],
  ref: AttachmentRef,
  given: FileDownload,
): Promise<SavedFile> {
  const path = resolve(given.path)
  if (busy.has(path))
    throw new AttacheError(`${path} is being downloaded already`, { kind: 'usage', operation: 'download' })
  busy.add(path)
  try {
    await mkdir(dirname(path), { recursive: true })
    const begun = await begunAt(path, ref)
    const job = { ...given, follow, ref, path }
    try {
      return await receive(job, begun)
    } catch (error) {
      if (!isIntegrityError(error)) throw error
      await discard(path)
      // What lay there may have been the wrong part: the link deserves one try of its own.
      if (begun === undefined) throw error
      return await receive(job, undefined)
    }
  } catch (error) {
    if (isIntegrityError(error)) await discard(path)
    throw error
  } finally {
    busy.delete(path)
  }
}

async function receive({ follow, ref, path, options, settled }: Job, begun: Begun | undefined): Promise<SavedFile> {
  let { at: position, facts, digests } = begun ?? { at: 0, facts: {}, digests: fileDigests() }
  const resumedFrom = { bytes: position }
  const file = await open(partOf(path), begun ? 'r+' : 'w')
  try {
    const whole = begun !== undefined && position === facts.size
    const from = begun && { at: position, facts }
    const arriving = whole ? [] : follow(ref, { url: urlIn(ref), from, signal: options.signal })
    for await (const arrival of arriving) {
      if (arrival.at === 0 && position > 0) {
        await file.truncate(0)
        digests = fileDigests()
        position = 0
        resumedFrom.bytes = 0
      }
      if (arrival.bytes.length === 0) {
        facts = arrival.facts
        await note(path, ref, facts)
        continue
      }
      await writeAll(file, arrival.bytes, position)
      digests.update(arrival.bytes)
      position += arrival.bytes.length
      options.onProgress?.({ bytes: position, total: facts.size })
    }
    const { sha256, ...came } = digests.result()
    verify(came, facts)
    await file.sync()
    await file.close()
    await rename(partOf(path), path)
    await syncDirectory(dirname(path))
    const saved = { path, size: came.size, sha256, resumedFrom: resumedFrom.bytes }
    await settled?.(saved)
    await forgetNote(path)
    return saved
  } finally {
    await file.close().catch(() => {})
  }
}

/**
 * A file that got its name in a run which ended before anybody heard of it. Known by the length and a digest that the server
 * told when it was fetched; `undefined` when there is none, or nothing tells what it should be.
 */
export async function unheardFile(ref: AttachmentRef, path: string): Promise<SavedFile | undefined> {
  const facts = await noted(path, ref)
  if (facts === undefined || (facts.crc64 === undefined && facts.md5 === undefined)) return undefined
  const digests = fileDigests()
  if ((await readThrough(path, digests.update)) === undefined) return undefined
  const { sha256, ...there } = digests.result()
  const { size } = there
  return isRight(there, facts) ? { path, size, sha256, resumedFrom: size } : undefined
}

/** For a file whose saving is on record. */
export async function forgetNote(path: string): Promise<void> {
  await rm(noteOf(path), { force: true })
}

/** What an earlier run left, read through once; `undefined` when it can't be used. */
async function begunAt(path: string, ref: AttachmentRef): Promise<Begun | undefined> {
  const facts = await noted(path, ref)
  if (facts === undefined) return undefined
  const digests = fileDigests()
  const at = await readThrough(partOf(path), digests.update)
  return at === undefined || at === 0 || at > (facts.size ?? 0) ? undefined : { at, facts, digests }
}

async function note(path: string, ref: AttachmentRef, facts: ContentFacts): Promise<void> {
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

async function discard(path: string): Promise<void> {
  await rm(partOf(path), { force: true })
  await forgetNote(path)
}

function partOf(path: string): string {
  return `${path}.part`
}

function noteOf(path: string): string {
  return `${path}.part.json`
}
