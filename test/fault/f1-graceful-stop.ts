/** F1: SIGTERM with 200 uploads and 50 slow downloads under way; a second signal; uploads that are cut at the deadline. */
import { hash, randomBytes } from 'node:crypto'
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { type Attache, startAttache, statusOf, type Uploaded, until } from '../server.ts'
import { usesOf } from './audit-lines.ts'
import { type SlowUpload, slowRead, slowUpload } from './slow-clients.ts'
import { row, type Stage } from './stage.ts'
import { lossesAmong, nothingSent, partialRecords } from './uploads.ts'

const UPLOADS = 200
const READERS = 50
// More than the buffers between the two sides, so that the server itself has to give the rest after the signal.
const READ_BYTES = 30_000_000
const READ_RATE = 3_000_000
const DRAIN_DELAY_SECONDS = 2
// By then the delay is over and the last upload is answered: only downloads hold the process.
const ALL_ELSE_MS = 5000
const STOP_MS = 20_000

await row('F1', async (stage) => {
  const faults: string[] = []
  const drained = await drainedStop(stage, faults)
  const second = await secondSignal(stage, faults)
  const cut = await cutAtDeadline(stage, faults)
  const figure = `${drained.kept} of ${UPLOADS} uploads and ${drained.whole} of ${READERS} downloads came through, ${drained.waitedFor} of those held it longer than all else, the last one for ${drained.lastMs} ms; exit 0 after ${drained.ms} ms, /readyz 503 after ${drained.notReadyMs} ms; second signal: ended after ${second} ms; ${cut}${faults.length > 0 ? `; ${faults.join(', ')}` : ''}`
  return { ok: faults.length === 0, figure }
})

async function drainedStop(stage: Stage, faults: string[]) {
  const data = join(stage.directory, 'drained')
  const env = { ATTACHE_DRAIN_DELAY_SECONDS: String(DRAIN_DELAY_SECONDS) }
  const attache = await startAttache({ data, env })
  stage.defer(() => attache.kill())
  const content = randomBytes(READ_BYTES)
  const large = await attache.upload('large.bin', content)
  const { url } = await attache.linkOf(large)
  const { uploads, sums } = await beginUploads(attache)
  const readers = Array.from({ length: READERS }, () => slowRead(url, READ_RATE))
  await Promise.all(readers.map(({ begun }) => begun))

  const [signalled, signalledAt] = [performance.now(), Date.now()]
  const since = () => Math.round(performance.now() - signalled)
  const stopped = attache.stop().then(since, (error) => {
    faults.push(String(error).slice(0, 200))
    return since()
  })
  await until(2000, async () => ((await statusOf(`${attache.url}/readyz`)) === 503 ? true : undefined))
  const notReadyMs = since()
  if (notReadyMs > 500) faults.push('ready for too long')
  // Whoever has not noticed yet is still served.
  await attache
    .upload('late.bin', content.subarray(0, 1000))
    .catch((error) => faults.push(`within the delay: ${error}`))
  for (const upload of uploads) {
    upload.finish()
    await pause(10)
  }
  const answers = await Promise.all(uploads.map(({ answer }) => answer))
  const reads = await Promise.all(readers.map(({ ended }) => ended))
  const ms = await stopped
  if (ms > STOP_MS) faults.push(`stopped after ${ms} ms`)

  const sent = nothingSent()
  for (const [index, answer] of answers.entries()) {
    if (answer?.status !== 200) continue
    const { fileId, key, fileName } = (JSON.parse(answer.body) as { value: Uploaded }).value
    sent.acknowledged.set(fileId, { fileId, key, name: fileName, sha256: sums[index] ?? '' })
  }
  const given = (await usesOf(data, large.fileId)).filter(({ complete, bytes }) => complete && bytes === READ_BYTES)
  const late = given.map(({ at }) => Date.parse(at) - signalledAt).filter((afterMs) => afterMs > ALL_ELSE_MS)
  const lastMs = Math.max(0, ...late)
  if (late.length !== READERS) faults.push(`only ${late.length} downloads had to be waited for`)
  if (ms < lastMs) faults.push('the process ended before its last download')
  const again = await startAttache({ data })
  const { lost, wrong } = await lossesAmong(again, [...sent.acknowledged.values()])
  await again.stop()
  const kept = sent.acknowledged.size - lost - wrong
  const whole = reads.filter((read) => read.whole && read.sha256 === hash('sha256', content)).length
  if (kept !== UPLOADS) faults.push(`${UPLOADS - kept} uploads failed`)
  if (whole !== READERS) faults.push(`${READERS - whole} downloads failed`)
  return { kept, whole, waitedFor: late.length, lastMs, ms, notReadyMs }
}

async function beginUploads(attache: Attache): Promise<{ uploads: SlowUpload[]; sums: string[] }> {
  const token = await attache.token()
  const bodies = Array.from({ length: UPLOADS }, () => randomBytes(20_000))
  const uploads = bodies.map((bytes, index) => slowUpload(attache.url, token, { name: `slow ${index}.bin`, bytes }))
  await until(20_000, async () => ((await readdir(join(attache.data, 'tmp'))).length === UPLOADS ? true : undefined))
  return { uploads, sums: bodies.map((bytes) => hash('sha256', bytes)) }
}

async function secondSignal(stage: Stage, faults: string[]): Promise<number> {
  const attache = await startAttache({ data: join(stage.directory, 'second') })
  stage.defer(() => attache.kill())
  const { uploads } = await beginUploads(attache)
  const stopped = attache.stop().catch(() => undefined)
  await until(2000, async () =>
    fetch(`${attache.url}/readyz`).then(
      ({ status }) => (status === 503 ? true : undefined),
      () => true,
    ),
  )
  const again = performance.now()
  process.kill(attache.pid, 'SIGTERM')
  await stopped
  const ms = Math.round(performance.now() - again)
  if (ms > 1000) faults.push(`a second signal took ${ms} ms`)
  await Promise.all(uploads.map(({ answer }) => answer))
  return ms
}

async function cutAtDeadline(stage: Stage, faults: string[]): Promise<string> {
  const data = join(stage.directory, 'cut')
  const attache = await startAttache({ data, env: { ATTACHE_DRAIN_SECONDS: '1' } })
  stage.defer(() => attache.kill())
  const { uploads } = await beginUploads(attache)
  const started = performance.now()
  await attache.stop().catch(() => undefined)
  const ms = Math.round(performance.now() - started)
  await Promise.all(uploads.map(({ answer }) => answer))
  const left = (await readdir(join(data, 'tmp'))).length
  const partial = await partialRecords(data, nothingSent())
  if (ms > 6000) faults.push(`a deadline of 1 s took ${ms} ms`)
  if (left + partial.length > 0) faults.push(`${left} temporary files and ${partial.length} records are left`)
  return `deadline of 1 s: ended after ${ms} ms, ${left} temporary files and ${partial.length} records left`
}
