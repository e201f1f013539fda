/** A disk on which an upload would still fit, but which has less room than the service leaves to records and logs. */
import { randomBytes } from 'node:crypto'
import { watch } from 'node:fs'
import { rm, statfs } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { exists, run } from '../programs.ts'
import { formOf, postForm, startAttache, until } from '../server.ts'
import { NotHere, type Stage } from './stage.ts'
import { ext4 } from './volume.ts'

const MEBIBYTE = 1024 * 1024
// 2 % of it are more than 64 MiB. It takes room only where it is written.
const VOLUME_BYTES = 4 * 1024 * MEBIBYTE
const LEFT_BYTES = 48 * MEBIBYTE
const UPLOADS = 20
const UPLOAD_BYTES = MEBIBYTE

export interface NearlyFull {
  leftMib: number
  refused: number
  faults: string[]
}

export async function nearlyFull(stage: Stage): Promise<NearlyFull> {
  if (!(await exists('fallocate'))) throw new NotHere('fallocate is missing')
  const volume = await ext4(stage.directory, VOLUME_BYTES)
  stage.defer(() => volume.unmount())
  const data = join(volume.path, 'data')
  const attache = await startAttache({ data })
  stage.defer(() => attache.kill())
  const faults: string[] = []
  const token = await attache.token()
  const begun = new Set<string>()
  const watching = watch(join(data, 'tmp'), (_, name) => begun.add(String(name)))
  stage.defer(() => watching.close())
  const free = async () => {
    const { bavail, bsize } = await statfs(volume.path)
    return bavail * bsize
  }
  const upload = async () => {
    const answer = await postForm(attache.url, token, formOf('a.bin', randomBytes(UPLOAD_BYTES)))
    await answer.arrayBuffer()
    return answer.status
  }

  if ((await upload()) !== 200) faults.push('refused while there was room')
  await until(2000, async () => begun.size > 0 || undefined)
  const balloon = join(volume.path, 'balloon')
  await run('fallocate', ['--length', String((await free()) - LEFT_BYTES), balloon])
  // The disk is looked at anew after this long at most.
  await pause(100)
  const left = await free()
  begun.clear()
  let refused = 0
  for (let count = 0; count < UPLOADS; count++) {
    const status = await upload()
    if (status === 503) refused++
    else faults.push(`answered ${status} with ${Math.round(left / MEBIBYTE)} MiB left`)
  }
  await pause(100)
  if (begun.size > 0) faults.push(`${begun.size} files were begun before the refusal`)
  // Else it was the disk that refused.
  if (left < UPLOADS * UPLOAD_BYTES || left >= 64 * MEBIBYTE) faults.push(`${left} bytes were left`)
  await rm(balloon)
  const again = await until(2000, async () => ((await upload()) === 200 ? true : undefined)).catch(() => false)
  if (!again) faults.push('refuses on when there is room again')
  await attache.stop()
  await volume.unmount()
  return { leftMib: Math.round(left / MEBIBYTE), refused, faults }
}
