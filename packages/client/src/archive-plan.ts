import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { attachmentsOf } from './documents.ts'
import { foldedName, nameInKey, safeFileName, uniqueName } from './file-names.ts'
import { isCode } from './files.ts'
import { entryKey, type ManifestEntry } from './manifest.ts'
import { noteOf } from './part-notes.ts'
import type { DocumentValue } from './wire.ts'

export interface Place {
  code: string
  directory: string
  /** What the manifest says of it. */
  entries: ReadonlyMap<string, ManifestEntry>
}

export interface Planned {
  entry: ManifestEntry
  /** Nothing of an earlier run is at its path. */
  fresh: boolean
}

/** Every attachment of a document with a path of its own: the one it has in the manifest, or a free one that is nobody's file. */
export async function planOf(document: DocumentValue, { code, directory, entries }: Place): Promise<Planned[]> {
  const folder = safeFileName(code)
  const there = await namesIn(join(directory, folder))
  const taken = new Set([...entries.values()].map(({ path }) => foldedName(path)))
  for (const name of there) taken.add(foldedName(`${folder}/${name}`))
  return [...attachmentsOf(document)].map(({ key, fileId, fileName = nameInKey(key) }) => {
    const names = { flowId: document.id, code, key, fileId, fileName }
    const known = entries.get(entryKey(names))
    if (known !== undefined && known.path !== '') {
      const { reason: _ofLastTime, ...entry } = known
      return { entry, fresh: false }
    }
    const name = uniqueName(safeFileName(fileName), (folded) => taken.has(`${foldedName(folder)}/${folded}`))
    const path = `${folder}/${name}`
    taken.add(foldedName(path))
    const entry = { ...names, path, size: 0, sha256: '', status: 'started' as const }
    return { entry, fresh: !there.has(noteOf(name)) }
  })
}

async function namesIn(directory: string): Promise<ReadonlySet<string>> {
  try {
    return new Set(await readdir(directory))
  } catch (error) {
    if (isCode(error, 'ENOENT', 'ENOTDIR')) return new Set()
    throw error
  }
}
