import { writeSync } from 'node:fs'
import { type FileHandle, mkdir, open } from 'node:fs/promises'
import { join } from 'node:path'
import { isObject } from './answers.ts'
import { fileDigests, isCode, linesOf, readThrough } from './files.ts'

export const MANIFEST = 'manifest.jsonl'

/**
 * - `started`: its path is reserved, its bytes are on the way
 * - `saved`: it lies at `path`, whole and checked
 * - `missing`: the server has no such attachment
 * - `failed`: it could not be had this time; `reason` is the kind of error
 */
export type ManifestStatus = 'started' | 'saved' | 'missing' | 'failed'

/** One line of `manifest.jsonl`. A later line on the same attachment of the same document replaces an earlier one. */
export interface ManifestEntry {
  /** The document's id and code. */
  flowId: string
  code: string
  key: string
  fileId: string
  fileName: string
  /** Relative to the directory, with `/`; empty when there is no file. */
  path: string
  /** In bytes, and lower-case hex; 0 and empty unless `saved`, or `started` and whole before it was written. */
  size: number
  sha256: string
  status: ManifestStatus
  reason?: string
}

export interface Manifest {
  /** The last word on each attachment. */
  entries: Map<string, ManifestEntry>
  /** Outlives the process, though not a power loss, when it returns. */
  note(entries: readonly ManifestEntry[]): void
  /** On disk when it resolves. */
  append(entries: readonly ManifestEntry[]): Promise<void>
  close(): Promise<void>
}

export function entryKey({ flowId, fileId, key }: Pick<ManifestEntry, 'flowId' | 'fileId' | 'key'>): string {
  return `${flowId}\0${fileId}\0${key}`
}

export async function openManifest(directory: string): Promise<Manifest> {
  const entries = await readManifest(directory)
  await mkdir(directory, { recursive: true })
  const file = await open(join(directory, MANIFEST), 'a+')
  await endLine(file)
  // Synchronous, so that no line stands inside another.
  function note(added: readonly ManifestEntry[]): void {
    for (const entry of added) entries.set(entryKey(entry), entry)
    const lines = Buffer.from(added.map(lineOf).join(''))
    for (let done = 0; done < lines.length; ) done += writeSync(file.fd, lines, done)
  }

  return {
    entries,
    note,
    async append(added) {
      if (added.length === 0) return
      note(added)
      await file.datasync()
    },
    close: () => file.close(),
  }
}

/** The entries of an archive's directory; none when there is no manifest. Lines that can't be used are passed over. */
export async function readManifest(directory: string): Promise<Map<string, ManifestEntry>> {
  const entries = new Map<string, ManifestEntry>()
  try {
    for await (const line of linesOf(join(directory, MANIFEST))) {
      const entry = entryIn(line)
      if (entry) entries.set(entryKey(entry), entry)
    }
  } catch (error) {
    if (!isCode(error, 'ENOENT')) throw error
  }
  return entries
}

export interface VerifiedFile {
  entry: ManifestEntry
  /** `absent`: no file at the path; `changed`: other bytes than were saved. */
  result: 'right' | 'absent' | 'changed'
}

/** Reads every file that the manifest says was saved, and compares its length and SHA-256. Needs no server. */
export async function* verifyArchive(directory: string): AsyncGenerator<VerifiedFile, void, undefined> {
  for (const entry of (await readManifest(directory)).values()) {
    if (entry.status === 'saved') yield { entry, result: await resultOf(join(directory, entry.path), entry) }
  }
}

/** Of the file at `path`, which may be another than the entry's own. */
export async function resultOf(path: string, { size, sha256 }: ManifestEntry): Promise<VerifiedFile['result']> {
  const digests = fileDigests()
  if ((await readThrough(path, digests.update)) === undefined) return 'absent'
  const now = digests.result()
  return now.size === size && now.sha256 === sha256 ? 'right' : 'changed'
}

/** A run that was cut off may have left half a line. */
async function endLine(file: FileHandle): Promise<void> {
  const { size } = await file.stat()
  if (size === 0) return
  const { buffer } = await file.read(Buffer.alloc(1), 0, 1, size - 1)
  if (buffer[0] !== 10) await file.appendFile('\n')
}

/** Much that reads lines takes U+2028 and U+2029 for their ends, and a name may hold them. */
function lineOf(entry: ManifestEntry): string {
  const json = JSON.stringify(entry).replaceAll('\u2028', '\\u2028').replaceAll('\u2029', '\\u2029')
  return `${json}\n`
}

const STATUSES = new Set(['started', 'saved', 'missing', 'failed'])

function entryIn(line: string): ManifestEntry | undefined {
  try {
    const entry: unknown = JSON.parse(line)
    return isEntry(entry) && isInside(entry.path) ? entry : undefined
  } catch {
    return undefined
  }
}

function isEntry(value: unknown): value is ManifestEntry {
  if (!isObject(value) || typeof value['size'] !== 'number' || !STATUSES.has(String(value['status']))) return false
  return ['flowId', 'code', 'key', 'fileId', 'fileName', 'path', 'sha256'].every(
    (field) => typeof value[field] === 'string',
  )
}

/** The manifest is a file that anybody may have edited: it names no path outside its directory. */
function isInside(path: string): boolean {
  return path === '' || (/^[^/\\:]+\/[^/\\:]+$/.test(path) && !path.split('/').some((part) => /^\.+$/.test(part)))
}
