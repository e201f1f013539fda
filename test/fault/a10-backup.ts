/** A10: backups while uploads and removals go on; what is restored is whole, and verify finds what is planted in it. */
import { open, readdir, rm, stat, truncate } from 'node:fs/promises'
import { join } from 'node:path'
import { startAttache } from '../server.ts'
import { type Outcome, verb } from '../verbs.ts'
import { row } from './stage.ts'
import { type Acknowledged, lossesAmong, nothingSent, upload } from './uploads.ts'

const PLANTED = 50
const BLOBS_AT_LEAST = 100

await row('A10', async (stage) => {
  const { random, full, directory } = stage
  const [data, to, restored] = ['data', 'backup', 'restored'].map((name) => join(directory, name)) as [
    string,
    string,
    string,
  ]
  const attache = await startAttache({ data })
  stage.defer(() => attache.kill())
  const sent = nothingSent()
  const faults: string[] = []
  const going = { on: true, removed: 0 }
  const load = upload({ attache, random, sent, round: 'b', largest: 300_000, atOnce: 4, goesOn: () => going.on })
  while (sent.acknowledged.size < BLOBS_AT_LEAST) await new Promise((resolve) => setTimeout(resolve, 20))
  let covered: Acknowledged[] = []
  const backups = full ? 20 : 3
  for (let turn = 1; turn <= backups; turn++) {
    covered = [...sent.acknowledged.values()]
    const [made] = await Promise.all([verb(['backup', '--to', to], { env: { ATTACHE_DATA: data } }), removeOne()])
    if (made.code !== 0) faults.push(`backup: ${made.stdout}${made.stderr}`)
  }
  going.on = false
  await load
  await attache.stop()

  const again = await verb(['restore', '--from', to], { env: { ATTACHE_DATA: restored } })
  if (again.code !== 0) faults.push(`restore: ${again.stdout}${again.stderr}`)
  const other = await startAttache({ data: restored })
  stage.defer(() => other.kill())
  // All that was acknowledged before the last backup began, but for what was removed.
  const kept = covered.filter(({ fileId }) => sent.acknowledged.has(fileId))
  const { lost, wrong } = await lossesAmong(other, kept)
  await other.stop()
  const found = await plantedAndFound(restored, random)
  if (found !== PLANTED) faults.push(`${found} of ${PLANTED} found`)
  const figure = `${backups} backups amid uploads and ${going.removed} removals: ${kept.length} attachments restored, ${lost} lost, ${wrong} wrong; verify found ${found} of ${PLANTED} planted faults${faults[0] ? `; ${faults[0]}` : ''}`
  return { ok: faults.length === 0 && lost + wrong === 0, figure }

  async function removeOne(): Promise<Outcome | undefined> {
    const [fileId] = sent.acknowledged.keys()
    if (fileId === undefined) return undefined
    sent.acknowledged.delete(fileId)
    going.removed++
    return verb(['attachment', 'remove', fileId], { env: { ATTACHE_DATA: data } })
  }
})

async function plantedAndFound(data: string, random: () => number): Promise<number> {
  const entries = await readdir(join(data, 'blobs'), { recursive: true, withFileTypes: true })
  const blobs = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name))
  const chosen = blobs.toSorted(() => random() - 0.5).slice(0, PLANTED)
  for (const [index, path] of chosen.entries()) {
    if (index % 3 === 0) await rm(path)
    else if (index % 3 === 1) await truncate(path, (await stat(path)).size - 1)
    else await flip(path, random)
  }
  const { stdout } = await verb(['verify', '--json'], { env: { ATTACHE_DATA: data } })
  return (JSON.parse(stdout) as { faulty: unknown[] }).faulty.length
}

async function flip(path: string, random: () => number): Promise<void> {
  const handle = await open(path, 'r+')
  const at = Math.floor(random() * (await handle.stat()).size)
  const byte = Buffer.alloc(1)
  await handle.read(byte, 0, 1, at)
  byte[0] = (byte[0] ?? 0) ^ (1 << Math.floor(random() * 8))
  await handle.write(byte, 0, 1, at)
  await handle.close()
}
