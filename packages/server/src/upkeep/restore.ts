import { constants } from 'node:fs'
import { copyFile, readdir, stat, utimes } from 'node:fs/promises'
import { join } from 'node:path'
import { madeDirectory, synced, UNFINISHED } from './durable-files.ts'
import { inParallel } from './pages.ts'

const AT_A_TIME = 4

/** A backup as a new data directory, durable to its last name; what a killed backup left unfinished stays behind. */
export async function restore({ from, to }: { from: string; to: string }): Promise<void> {
  const changed = await madeDirectory(to)
  const names = (await readdir(from)).filter((name) => !isUnfinished(name))
  await inParallel(names, AT_A_TIME, async (name) => {
    const [source, target] = [join(from, name), join(to, name)]
    const facts = await stat(source)
    if (facts.isDirectory()) return restore({ from: source, to: target })
    await copyFile(source, target, constants.COPYFILE_FICLONE | constants.COPYFILE_EXCL)
    // The age of a blob without a record is that of its file.
    await utimes(target, facts.atime, facts.mtime)
    await synced(target)
  })
  for (const directory of [to, ...changed]) await synced(directory)
}

/** A database that is not finished may have a journal beside it. */
function isUnfinished(name: string): boolean {
  return name.endsWith(UNFINISHED) || name.includes(`${UNFINISHED}-`)
}
