/** F3: clients that leave at a random byte of an upload or a download. */
import { randomBytes } from 'node:crypto'
import { readdir } from 'node:fs/promises'
import { request } from 'node:http'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { type Attache, startAttache, until } from '../server.ts'
import { usesOf } from './audit-lines.ts'
import { descriptors } from './machine.ts'
import { slowUpload } from './slow-clients.ts'
import { row } from './stage.ts'
import { recordsIn } from './uploads.ts'

const AT_ONCE = 20
const BYTES = 300_000
// More than the buffers between the two sides: who leaves then leaves in the middle, for the server as well.
const READ_BYTES = 12_000_000
const LEAST_CUT = 0.2
const DESCRIPTORS_MAY_DIFFER = 5

await row('F3', async (stage) => {
  const { random, full } = stage
  const attache = await startAttache({ data: join(stage.directory, 'data') })
  stage.defer(() => attache.kill())
  const bytes = randomBytes(BYTES)
  const whole = await attache.upload('whole.bin', randomBytes(READ_BYTES))
  const { url } = await attache.linkOf(whole)
  const token = await attache.token()
  // The threads that compute digests begin with the first large uploads, and stay.
  await Promise.all(Array.from({ length: AT_ONCE }, (_, index) => attache.upload(`large ${index}.bin`, bytes)))
  await Promise.all(Array.from({ length: AT_ONCE }, () => readAndLeave(url, READ_BYTES)))
  await settled(attache)
  const before = descriptors(attache.pid)

  const total = full ? 2000 : 600
  let left = total
  let [cut, reading] = [0, 0]
  async function client(): Promise<void> {
    while (left-- > 0) {
      if (random() < 0.5) {
        reading++
        await readAndLeave(url, Math.floor(random() * READ_BYTES))
      } else {
        const sentBytes = bytes.subarray(0, Math.floor(random() * BYTES) + 1)
        const upload = slowUpload(attache.url, token, { name: 'gone.bin', bytes: sentBytes })
        await Promise.race([upload.sent, pause(random() * 20)])
        upload.abort()
        if ((await upload.answer) === undefined) cut++
      }
    }
  }
  await Promise.all(Array.from({ length: AT_ONCE }, client))
  const after = await until(10_000, async () => {
    const now = descriptors(attache.pid)
    const temporary = (await readdir(join(attache.data, 'tmp'))).length
    return Math.abs(now - before) <= DESCRIPTORS_MAY_DIFFER && temporary === 0 ? now : undefined
  }).catch(() => descriptors(attache.pid))
  const temporary = (await readdir(join(attache.data, 'tmp'))).length
  // Every place in every pool is free again.
  await Promise.all(Array.from({ length: 50 }, (_, index) => attache.upload(`after ${index}.bin`, bytes)))
  const kept = recordsIn(attache.data) - AT_ONCE - 51
  await attache.stop()
  const reads = await usesOf(attache.data, whole.fileId)
  const halfGiven = reads.filter(({ complete, bytes = 0 }) => !complete && bytes > 0 && bytes < READ_BYTES).length
  const ok =
    Math.abs(after - before) <= DESCRIPTORS_MAY_DIFFER &&
    temporary === 0 &&
    kept === 0 &&
    cut > 0 &&
    reads.length === AT_ONCE + reading &&
    halfGiven >= LEAST_CUT * reading
  const figure = `${total} clients left, ${cut} amid an upload, and of ${reading} downloads ${halfGiven} were cut in the middle as the audit log tells: ${before} descriptors before and ${after} after, ${temporary} temporary files, ${kept} records of cut uploads; 50 uploads at once work afterwards`
  return { ok, figure }
})

/** Connections that are kept alive would be counted as left open. */
async function settled(attache: Attache): Promise<void> {
  let last = -1
  await until(5000, async () => {
    await pause(200)
    const now = descriptors(attache.pid)
    const same = now === last
    last = now
    return same || undefined
  })
}

function readAndLeave(url: string, after: number): Promise<void> {
  return new Promise((resolve) => {
    let seen = 0
    const asked = request(url, { agent: false }, (answer) => {
      answer.on('data', (chunk: Buffer) => {
        seen += chunk.length
        if (seen >= after) asked.destroy()
      })
      answer.on('error', () => undefined)
      answer.on('close', resolve)
    })
    asked.on('error', () => resolve())
    asked.end()
  })
}
