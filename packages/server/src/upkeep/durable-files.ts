import { constants } from 'node:fs'
import { copyFile, mkdir, open, rename } from 'node:fs/promises'
import { dirname } from 'node:path'

/** At the end of the name of a file that is not whole yet. */
export const UNFINISHED = '.new'

/** Beside first, so that `to` is at every moment what it was or the whole of `from`; its directory is the caller's to sync. */
export async function copyWhole(from: string, to: string): Promise<void> {
  const beside = to + UNFINISHED
  // A file system that can share blocks does.
  await copyFile(from, beside, constants.COPYFILE_FICLONE)
  await synced(beside)
  await rename(beside, to)
}

/** Makes a directory for the owner alone, with those above it; gives the directories whose sync makes that last. */
export async function madeDirectory(path: string): Promise<string[]> {
  const first = await mkdir(path, { recursive: true, mode: 0o700 })
  if (first === undefined) return []
  const changed: string[] = []
  for (let above = dirname(path); ; above = dirname(above)) {
    changed.push(above)
    if (above === dirname(first) || above === dirname(above)) return changed
  }
}

/** Waits for the disk; for a directory, that the names in it are those of now. */
export async function synced(path: string): Promise<void> {
  const handle = await open(path, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}
