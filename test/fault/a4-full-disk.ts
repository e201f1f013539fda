/** A4: a small disk fills up, and then there is room again; a large one is refused before it is full. */
import { hash, randomBytes } from 'node:crypto'
import { readdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type Attache, formOf, postForm, startAttache, statusOf, type Uploaded, until } from '../server.ts'
import { verb } from '../verbs.ts'
import { nearlyFull } from './nearly-full.ts'
import { row, type Stage } from './stage.ts'
import { lossesAmong, nothingSent, partialRecords, type Sent } from './uploads.ts'
import { tmpfs } from './volume.ts'

const MEBIBYTE = 1024 * 1024
const SIZES = { bytes: 'size=16m,nr_inodes=4000', inodes: 'size=64m,nr_inodes=330' }
const UPLOADS = 100
const REFUSED_MS = 1000
const RECOVERED_MS = 2000
const REMOVED = 5

await row('A4', async (stage) => {
  const bytes = await filled(stage, { what: 'bytes', audit: 'off' })
  const audited = await filled(stage, { what: 'bytes', audit: 'on' })
  const inodes = await filled(stage, { what: 'inodes', audit: 'off' })
  const early = await nearlyFull(stage)
  const faults = [bytes, audited, inodes, early].flatMap((one) => one.faults)
  const told = ({ kept, refused, slowest, recovered }: Full) =>
    `${kept} kept, ${refused} refused 503 in at most ${slowest} ms, works again after ${recovered} ms`
  const figure = `16 MiB: ${told(bytes)}; with the audit log: ${told(audited)}; no inodes: ${told(inodes)}; 4 GiB with ${early.leftMib} MiB left: ${early.refused} refused before a byte was written; ${faults.length} faults${faults.length > 0 ? `: ${faults.join(', ')}` : ''}`
  const shown = [bytes, audited].every(({ kept, refused }) => kept > 0 && refused > 0) && inodes.refused > 0
  return { ok: faults.length === 0 && shown && early.refused > 0, figure }
})

interface Full {
  kept: number
  refused: number
  /** Milliseconds of the slowest refusal. */
  slowest: number
  recovered: number
  faults: string[]
}

interface Filling {
  what: keyof typeof SIZES
  audit: 'on' | 'off'
}

async function filled(stage: Stage, { what, audit }: Filling): Promise<Full> {
  const volume = await tmpfs(join(stage.directory), SIZES[what])
  stage.defer(() => volume.unmount())
  const data = join(volume.path, 'data')
  const attache = await startAttache({ data, env: { ATTACHE_AUDIT: audit } })
  stage.defer(() => attache.kill())
  const sent = nothingSent()
  const found: Full = { kept: 0, refused: 0, slowest: 0, recovered: 0, faults: [] }
  const fault = (words: string) => found.faults.push(`${what}, audit ${audit}: ${words}`)
  const token = await attache.token()

  async function uploads(count: number, size: number): Promise<void> {
    for (let left = count; left > 0; left--) {
      const { status, ms } = await uploaded(attache, { token, size, sent })
      if (status === 200) found.kept++
      else found.refused++
      if (status !== 200 && status !== 503) fault(`answered ${status}`)
      if (status !== 200) found.slowest = Math.max(found.slowest, Math.ceil(ms))
    }
  }

  const size = what === 'bytes' ? MEBIBYTE : 1000
  await uploads(UPLOADS, size)
  // Not even room for a record is left.
  const balloon = join(volume.path, 'balloon')
  if (what === 'bytes') await writeFile(balloon, Buffer.alloc(64 * MEBIBYTE)).catch(() => undefined)
  await uploads(10, size)
  await uploads(10, 10)
  if (found.slowest > REFUSED_MS) fault(`a refusal took ${found.slowest} ms`)
  const losses = await lossesAmong(attache, [...sent.acknowledged.values()])
  if (losses.lost + losses.wrong > 0) fault(`${losses.lost} lost, ${losses.wrong} wrong while full`)
  if ((await readdir(join(data, 'tmp'))).length > 0) fault('temporary files are left')
  if ((await statusOf(`${attache.url}/livez`)) !== 200) fault('not alive')

  if (what === 'bytes') await rm(balloon)
  await makeRoom(attache, { sent, audit })
  const started = performance.now()
  await until(RECOVERED_MS * 5, async () =>
    (await uploaded(attache, { token, size, sent })).status === 200 ? true : undefined,
  )
  found.recovered = Math.ceil(performance.now() - started)
  if (found.recovered > RECOVERED_MS) fault(`works again after ${found.recovered} ms`)
  if ((await statusOf(`${attache.url}/readyz`)) !== 200) fault('not ready again')
  const partial = await partialRecords(data, sent)
  if (partial.length > 0) fault(`${partial.length} partial`)
  await attache.stop()
  await volume.unmount()
  return found
}

async function uploaded(
  attache: Attache,
  { token, size, sent }: { token: string; size: number; sent: Sent },
): Promise<{ status: number; ms: number }> {
  const bytes = randomBytes(size)
  const name = `${sent.acknowledged.size + sent.refused}.bin`
  const started = performance.now()
  const answer = await postForm(attache.url, token, formOf(name, bytes))
  const body = (await answer.json()) as { value: Uploaded }
  const ms = performance.now() - started
  if (answer.status === 200) {
    const sha256 = hash('sha256', bytes)
    sent.acknowledged.set(body.value.fileId, { ...body.value, name, sha256 })
  } else sent.refused++
  return { status: answer.status, ms }
}

/** Removes a few attachments, as an operator does beside the running server. */
async function makeRoom(attache: Attache, { sent, audit }: { sent: Sent; audit: Filling['audit'] }): Promise<void> {
  const env = { ATTACHE_DATA: attache.data, ATTACHE_AUDIT: audit }
  for (const fileId of [...sent.acknowledged.keys()].slice(0, REMOVED)) {
    const { code, stderr } = await verb(['attachment', 'remove', fileId], { env })
    if (code !== 0) throw new Error(stderr)
    sent.acknowledged.delete(fileId)
  }
}
