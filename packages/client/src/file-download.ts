import { mkdir, open, rename } from 'node:fs/promises'
import { dirname, resolve } from 'node:path'
import type { Arrival } from './arrivals.ts'
import { type ClientParts, urlIn } from './client.ts'
import { type ContentFacts, verify } from './contents.ts'
import type { DownloadOptions } from './download.ts'
import { AttacheError, isIntegrityError } from './errors.ts'
import { fileDigests, syncDirectory, writeAll } from './files.ts'
import { type Begun, begunAt, discard, forgetNote, note, partOf, type SavedFile, tellsContents } from './part-notes.ts'
import { SMALL_BYTES, type SmallFiles, smallFiles } from './small-files.ts'
import type { AttachmentRef } from './wire.ts'

export interface FileDownload {
  path: string
  options: DownloadOptions
  /** Takes what is small. */
  small: SmallFiles
  /** Nothing of an earlier run is at the path. */
  fresh?: boolean
  /** Hears of a small file before any of it is written, when what the server told vouches for it. */
  arrived?: (file: SavedFile) => void
  /** Hears of a larger file when it has its name; what tells of a file that nobody has heard of goes only then. */
  settled?: (file: SavedFile) => Promise<void>
}

export interface FetchedFile extends SavedFile {
  /** Small, and waits to be settled: it is whole and checked, but neither named nor on disk for certain. */
  unsettled: boolean
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
  given: Omit<FileDownload, 'small'>,
): Promise<SavedFile> {
  const small = smallFiles()
  try {
    const { unsettled, ...file } = await fetchFile(follow, ref, { ...given, small })
    if (unsettled) {
      await small.settle([file.path])
      await forgetNote(file.path)
    }
    return file
  } finally {
    small.close()
  }
}

/** The same, where small files are left to the caller to settle, many at a time. */
export async function fetchFile(
  follow: ClientParts['follow'],
  ref: AttachmentRef,
  given: FileDownload,
): Promise<FetchedFile> {
  const path = resolve(given.path)
  if (busy.has(path))
    throw new AttacheError(`${path} is being downloaded already`, { kind: 'usage', operation: 'download' })
  busy.add(path)
  try {
    const begun = given.fresh ? undefined : await begunAt(path, ref)
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

async function receive(job: Job, begun: Begun | undefined): Promise<FetchedFile> {
  const arriving = arrivalsFrom(job, begun)
  if (begun !== undefined) return throughDisk(job, { begun, arriving })
  try {
    const { value: first = undefined } = await arriving.next()
    if (!first || !isSmall(first.facts)) return await throughDisk(job, { arriving, first })
    const small = await inMemory(job, { arriving, facts: first.facts })
    // Contents that grew while they were read are asked for from the beginning.
    return small ?? (await throughDisk(job, { arriving: arrivalsFrom(job, undefined) }))
  } finally {
    await arriving.return()
  }
}

function arrivalsFrom({ follow, ref, options }: Job, from: Begun | undefined): AsyncGenerator<Arrival, void> {
  return follow(ref, { url: urlIn(ref), from: from && { at: from.at, facts: from.facts }, signal: options.signal })
}

function isSmall({ size = Number.POSITIVE_INFINITY }: ContentFacts): boolean {
  return size <= SMALL_BYTES
}

/** Of a small attachment, once its first answer has come; `undefined` when a later answer is of a larger one. */
async function inMemory(
  { path, options, small, arrived }: Job,
  { arriving, facts }: { arriving: AsyncGenerator<Arrival, void>; facts: ContentFacts },
): Promise<FetchedFile | undefined> {
  let [chunks, position] = [[] as Uint8Array[], 0]
  for await (const { facts: told, at, bytes } of arriving) {
    if (!isSmall(told)) return undefined
    if (at === 0) {
      facts = told
      chunks = []
      position = 0
    }
    if (bytes.length === 0) continue
    chunks.push(bytes)
    position += bytes.length
    options.onProgress?.({ bytes: position, total: facts.size })
  }
  const bytes = chunks.length === 1 && chunks[0] ? chunks[0] : Buffer.concat(chunks)
  const digests = fileDigests()
  digests.update(bytes)
  const { sha256, ...came } = digests.result()
  verify(came, facts)
  const file = { path, size: came.size, sha256, resumedFrom: 0 }
  if (tellsContents(facts)) arrived?.(file)
  small.write(path, bytes)
  return { ...file, unsettled: true }
}

interface Coming {
  begun?: Begun
  arriving: AsyncGenerator<Arrival, void>
  /** Taken from `arriving` already. */
  first?: Arrival | undefined
}

async function throughDisk(
  { ref, path, options, settled }: Job,
  { begun, arriving, first }: Coming,
): Promise<FetchedFile> {
  let { at: position, facts, digests } = begun ?? { at: 0, facts: first?.facts ?? {}, digests: fileDigests() }
  let resumedFrom = position
  await mkdir(dirname(path), { recursive: true })
  const file = await open(partOf(path), begun ? 'r+' : 'w')
  try {
    if (first !== undefined) await note(path, ref, facts)
    const whole = begun !== undefined && position === facts.size
    for await (const arrival of whole ? [] : arriving) {
      if (arrival.at === 0 && position > 0) {
        await file.truncate(0)
        digests = fileDigests()
        position = 0
        resumedFrom = 0
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
    const saved = { path, size: came.size, sha256, resumedFrom }
    await settled?.(saved)
    await forgetNote(path)
    return { ...saved, unsettled: false }
  } finally {
    await file.close().catch(() => {})
  }
}
