import { dirname, resolve } from 'node:path'
import { type Planned, planOf } from './archive-plan.ts'
import { inBatches } from './batches.ts'
import type { Client } from './client.ts'
import type { DownloadOptions } from './download.ts'
import { type AttacheError, isAttacheError, isUnauthorized } from './errors.ts'
import type { FetchedFile, FileDownload } from './file-download.ts'
import { syncDirectory } from './files.ts'
import { entryKey, type Manifest, type ManifestEntry, openManifest, readManifest, resultOf } from './manifest.ts'
import { forgetNote, partOf, type SavedFile, unheardFile } from './part-notes.ts'
import { inParallel } from './pool.ts'
import { smallFiles } from './small-files.ts'
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
  fetch(ref: AttachmentRef, file: FileDownload): Promise<FetchedFile>
}

export interface ArchiveTarget {
  code: string
  directory: string
}

// So many small files at most wait for the disk while others come.
const MOST_UNSETTLED = 64

/**
 * Saves every attachment of a document in `DIRECTORY/CODE/` and keeps book in `DIRECTORY/manifest.jsonl`. What was saved
 * before and still verifies is not fetched again; what broke off is gone on with. One attachment that can't be had does not
 * stop the others; a refused key pair, an unknown code and a full disk do.
 */
export async function* archive(
  { client, fetch }: ArchiveDeps,
  { code, directory }: ArchiveTarget,
  { concurrency = 4, dryRun = false, signal, onProgress }: ArchiveOptions,
): AsyncGenerator<ArchivedFile, void, undefined> {
  const document = await client.document(code, { ...(signal && { signal }) })
  const manifest = dryRun ? await unwritten(directory) : await openManifest(directory)
  const small = smallFiles()
  const stopping = new AbortController()
  const pool = { concurrency, signal: AbortSignal.any([stopping.signal, ...(signal ? [signal] : [])]) }
  try {
    const wanted: Planned[] = []
    const plan = await planOf(document, { code, directory, entries: manifest.entries })
    for await (const { entry, kept, fresh, unnamed } of inParallel(plan, pool, (planned) =>
      checked(directory, planned),
    )) {
      if (kept) {
        if (!dryRun) await onRecord(entry, unnamed)
        yield { ...entry, status: 'kept' }
      } else wanted.push({ entry: { ...entry, size: 0, sha256: '', status: 'started' }, fresh })
    }
    if (dryRun) return yield* wanted.map(({ entry }) => ({ ...entry, status: 'planned' as const }))
    const entries = wanted.map(({ entry }) => entry)
    // Before the first byte, so that a later run knows whose each unfinished file is.
    await manifest.append(entries)
    const { links, missing } = await client.downloadUrls(entries, { ...(signal && { signal }) })
    const unknown = new Set(missing)
    const absent = missing.map((entry) => ({ ...entry, path: '', status: 'missing' as const }))
    await manifest.append(absent)
    yield* absent
    const found = wanted.filter(({ entry }) => !unknown.has(entry))
    const linked = found.map((planned, index) => ({ ...planned, link: links[index] }))
    const stop = () => stopping.abort()
    const batches = { most: MOST_UNSETTLED, waits: ({ unsettled }: Fetched) => unsettled, settle, stop }
    for await (const { file } of inBatches(inParallel(linked, pool, fetched), batches)) yield file
  } finally {
    small.close()
    await manifest.close()
  }

  /** Of a run that ended between the arrival of a file and its line in the manifest, or just after that. */
  async function onRecord(entry: ManifestEntry, unnamed: boolean): Promise<void> {
    const path = resolve(directory, entry.path)
    if (unnamed) await small.settle([path])
    if (manifest.entries.get(entryKey(entry))?.status !== 'saved') {
      await syncDirectory(dirname(path))
      await manifest.append([entry])
    }
    await forgetNote(path)
  }

  async function fetched({ entry, fresh, link }: Linked, stop: AbortSignal): Promise<Fetched> {
    const { path } = entry
    try {
      const options: DownloadOptions = { signal: stop, onProgress: (received) => onProgress?.({ path, ...received }) }
      const told = ({ size, sha256 }: SavedFile) => ({ ...entry, size, sha256 })
      const { unsettled, ...saved } = await fetch(link ?? entry, {
        path: resolve(directory, path),
        options,
        small,
        fresh,
        arrived: (file) => manifest.note([told(file)]),
        settled: (file) => manifest.append([{ ...told(file), status: 'saved' }]),
      })
      const { resumedFrom } = saved
      return { file: { ...told(saved), status: 'saved', resumedFrom }, unsettled, fresh }
    } catch (error) {
      if (stop.aborted || !isAttacheError(error) || isUnauthorized(error)) throw error
      const status = error.kind === 'not-found' ? ('missing' as const) : ('failed' as const)
      const failed = { ...entry, status, reason: error.kind }
      await manifest.append([failed])
      return { file: { ...failed, error }, unsettled: false, fresh }
    }
  }

  async function settle(batch: readonly Fetched[]): Promise<void> {
    await small.settle(batch.map(({ file }) => resolve(directory, file.path)))
    await manifest.append(
      batch.map(({ file: { resumedFrom: _ofThisRun, ...entry } }) => ({ ...entry, status: 'saved' })),
    )
    for (const { file, fresh } of batch) if (!fresh) await forgetNote(resolve(directory, file.path))
  }
}

interface Linked extends Planned {
  link: DownloadLink | undefined
}

interface Fetched {
  file: ArchivedFile
  unsettled: boolean
  fresh: boolean
}

/** For a dry run: what is there is read, and nothing is written. */
async function unwritten(directory: string): Promise<Manifest> {
  return { entries: await readManifest(directory), note: () => {}, append: async () => {}, close: async () => {} }
}

interface Checked extends Planned {
  kept: boolean
  /** Kept, but under the name of a part. */
  unnamed: boolean
}

async function checked(directory: string, { entry, fresh }: Planned): Promise<Checked> {
  const path = resolve(directory, entry.path)
  const found = { entry: { ...entry, status: 'saved' as const }, fresh, kept: true, unnamed: false }
  const lost = { entry, fresh, kept: false, unnamed: false }
  if (fresh) return lost
  if (entry.status === 'saved') return (await resultOf(path, entry)) === 'right' ? found : lost
  if (entry.status === 'started' && entry.sha256 !== '') {
    if ((await resultOf(path, entry)) === 'right') return found
    return (await resultOf(partOf(path), entry)) === 'right' ? { ...found, unnamed: true } : lost
  }
  const file = await unheardFile(entry, path)
  if (file === undefined) return lost
  const { size, sha256 } = file
  return { ...found, entry: { ...found.entry, size, sha256 } }
}
