import { access } from 'node:fs/promises'
import { join } from 'node:path'
import { attachmentsOf } from './documents.ts'
import { foldedName, nameInKey, safeFileName, uniqueName } from './file-names.ts'
import { isCode } from './files.ts'
import { entryKey, type ManifestEntry } from './manifest.ts'
import type { DocumentValue } from './wire.ts'

export interface Place {
  code: string
  directory: string
  /** What the manifest says of it. */
  entries: ReadonlyMap<string, ManifestEntry>
}

/** Every attachment of a document with a path of its own: the one it has in the manifest, or a free one that is nobody's file. */
export async function planOf(document: DocumentValue, { code, directory, entries }: Place): Promise<ManifestEntry[]> {
  const folder = safeFileName(code)
  const taken = new Set([...entries.values()].map(({ path }) => foldedName(path)))
  const plan: ManifestEntry[] = []
  for (const { key, fileId, fileName = nameInKey(key) } of attachmentsOf(document)) {
    const names = { flowId: document.id, code, key, fileId, fileName }
    const known = entries.get(entryKey(names))
    if (known !== undefined && known.path !== '') {
      const { reason: _ofLastTime, ...again } = known
      plan.push(again)
      continue
    }
    const path = await freePath(safeFileName(fileName))
    taken.add(foldedName(path))
    plan.push({ ...names, path, size: 0, sha256: '', status: 'started' })
  }
  return plan

  async function freePath(name: string): Promise<string> {
    for (;;) {
      const path = `${folder}/${uniqueName(name, (folded) => taken.has(`${foldedName(folder)}/${folded}`))}`
      if (!(await exists(join(directory, path)))) return path
      taken.add(foldedName(path))
    }
  }
}

async function exists(path: string): Promise<boolean> {
  try {
    await access(path)
    return true
  } catch (error) {
    if (isCode(error, 'ENOENT', 'ENOTDIR')) return false
    throw error
  }
}
