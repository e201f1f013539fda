import { join } from 'node:path'
import { planOf } from './archive-plan.ts'
import type { Client } from './client.ts'
import type { DownloadOptions } from './download.ts'
import { type AttacheError, isAttacheError, isUnauthorized } from './errors.ts'
import { type FileDownload, forgetNote, type SavedFile, unheardFile } from './file-download.ts'
import { entryKey, type Manifest, type ManifestEntry, openManifest, readManifest, resultOf } from './manifest.ts'
import { inParallel } from './pool.ts'
import type { AttachmentRef, DownloadLink } from './wire.ts'

export interface ArchiveOptions {
  /** Files at once. Default 4. */
  concurrency?: number
  /** Tells what would be done, asks only for the document and writes nothing. */
  dryRun?: boolean
  signal?: AbortSignal
  /** Called as bytes come; `total` when the server told it. */
  onProgress?: (received: { path: string; bytes: number; total: number | undefined }) => void
}

/**
 * One attachment of the document, as soon as it is settled. `kept`: it was there and verifies; `planned`: a dry run would
 * fetch it; the others as in the manifest, where `failed` has the error beside it.
 */
export interface ArchivedFile extends Omit<ManifestEntry, 'status'> {
  status: 'saved' | 'kept' | 'planned' | 'missing' | 'failed'
  /** Bytes of an earlier run that were used. */
  resumedFrom?: number
  error?: AttacheError
}

export interface ArchiveDeps {
  client: Client
  save(ref: AttachmentRef, file: FileDownload): Promise<SavedFile>
}

export interface ArchiveTarget {
  code: string
  directory: string
}

/**
 * Saves every attachment of a document in `DIRECTORY/CODE/` and keeps book in `DIRECTORY/manifest.jsonl`. What was saved
 * before and still verifies is not fetched again; what broke off is gone on with. One attachment that can't be had does not
 * stop the others; a refused key pair, an unknown code and a full disk do.
 */
export async function* archive(
  { client, save }: ArchiveDeps,
  { code, directory }: ArchiveTarget,
  { concurrency = 4, dryRun = false, signal, onProgress }: ArchiveOptions,
): AsyncGenerator<ArchivedFile, void, undefined> {
  const document = await client.document(code, { ...(signal && { signal }) })
  const manifest = dryRun ? await unwritten(directory) : await openManifest(directory)
  const pool = { concurrency, signal }
  try {
    const wanted: ManifestEntry[] = []
    const plan = await planOf(document, { code, directory, entries: manifest.entries })
    for await (const { entry, kept } of inParallel(plan, pool, (planned) => checked(directory, planned))) {
      if (kept) {
        if (!dryRun) await onRecord(entry)
        yield { ...entry, status: 'kept' }
      } else wanted.push({ ...entry, size: 0, sha256: '', status: 'started' })
    }
    if (dryRun) return yield* wanted.map((entry) => ({ ...entry, status: 'planned' as const }))
    // Before the first byte, so that a later run knows whose each unfinished file is.
    await manifest.append(wanted)
    const { links, missing } = await client.downloadUrls(wanted, { ...(signal && { signal }) })
    const unknown = new Set(missing)
    const absent = missing.map((entry) => ({ ...entry, path: '', status: 'missing' as const }))
    await manifest.append(absent)
    yield* absent
    const found = wanted.filter((entry) => !unknown.has(entry)).map((entry, index) => ({ entry, link: links[index] }))
    for await (const file of inParallel(found, pool, fetched)) yield file
  } finally {
    await manifest.close()
  }

  /** Of a run that ended between the name of a file and its line in the manifest, or just after that. */
  async function onRecord(entry: ManifestEntry): Promise<void> {
    const known = manifest.entries.get(entryKey(entry))
    if (known?.status !== 'saved') await manifest.append([entry])
    await forgetNote(join(directory, entry.path))
  }

  async function fetched(
    { entry, link }: { entry: ManifestEntry; link: DownloadLink | undefined },
    stop: AbortSignal,
  ): Promise<ArchivedFile> {
    const { path } = entry
    try {
      const ref = link ?? entry
      const told: DownloadOptions = { signal: stop, onProgress: (received) => onProgress?.({ path, ...received }) }
      const savedAs = ({ size, sha256 }: SavedFile) => ({ ...entry, size, sha256, status: 'saved' as const })
      const settled = (file: SavedFile) => manifest.append([savedAs(file)])
      const file = await save(ref, { path: join(directory, path), options: told, settled })
      return { ...savedAs(file), resumedFrom: file.resumedFrom }
    } catch (error) {
      if (stop.aborted || !isAttacheError(error) || isUnauthorized(error)) throw error
      const status = error.kind === 'not-found' ? ('missing' as const) : ('failed' as const)
      const failed = { ...entry, status, reason: error.kind }
      await manifest.append([failed])
      return { ...failed, error }
    }
  }
}

/** For a dry run: what is there is read, and nothing is written. */
async function unwritten(directory: string): Promise<Manifest> {
  return { entries: await readManifest(directory), append: async () => {}, close: async () => {} }
}

async function checked(directory: string, entry: ManifestEntry): Promise<{ entry: ManifestEntry; kept: boolean }> {
  if (entry.status === 'saved') return { entry, kept: (await resultOf(directory, entry)) === 'right' }
  const file = await unheardFile(entry, join(directory, entry.path))
  if (file === undefined) return { entry, kept: false }
  const { size, sha256 } = file
  return { entry: { ...entry, size, sha256, status: 'saved' }, kept: true }
}
