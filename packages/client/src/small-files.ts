import { closeSync, fsync, mkdirSync, openSync, renameSync, writeSync } from 'node:fs'
import { dirname } from 'node:path'
import { promisify } from 'node:util'
import { isCode, syncDirectory } from './files.ts'
import { partOf } from './part-notes.ts'

/** An attachment up to this size is in memory until it is whole and checked. */
export const SMALL_BYTES = 64 * 1024

const sync = promisify(fsync)

/** Small files on their way to the disk. Whoever opens it closes it. */
export interface SmallFiles {
  /**
   * Writes one beside its name. It has that name, and is on disk for certain, when it is settled. Synchronous: to hand so little
   * to another thread and to wait for it takes several times as long as to do it.
   */
  write(path: string, bytes: Uint8Array): void
  /** Gives files that were written beside their names these names, in an order that survives a power loss. */
  settle(paths: readonly string[]): Promise<void>
  close(): void
}

export function smallFiles(): SmallFiles {
  const open = new Map<string, number>()

  function close(paths: Iterable<string>): void {
    for (const path of paths) {
      const file = open.get(path)
      open.delete(path)
      if (file !== undefined) closeSync(file)
    }
  }

  return {
    write(path, bytes) {
      close([path])
      const file = created(partOf(path))
      open.set(path, file)
      for (let done = 0; done < bytes.length; ) done += writeSync(file, bytes, done)
    },
    async settle(paths) {
      // Windows syncs only what is open for writing.
      for (const path of paths) if (!open.has(path)) open.set(path, openSync(partOf(path), 'r+'))
      // All at once, so that the journal of the file system takes many of them with one write.
      const synced = await Promise.allSettled(paths.map((path) => sync(open.get(path) ?? -1)))
      close(paths)
      for (const one of synced) if (one.status === 'rejected') throw one.reason
      for (const path of paths) renameSync(partOf(path), path)
      for (const directory of new Set(paths.map((path) => dirname(path)))) await syncDirectory(directory)
    },
    close: () => close([...open.keys()]),
  }
}

function created(path: string): number {
  try {
    return openSync(path, 'w')
  } catch (error) {
    if (!isCode(error, 'ENOENT')) throw error
    mkdirSync(dirname(path), { recursive: true })
    return openSync(path, 'w')
  }
}
