/** A2: the power goes amid uploads. A control without fsync must lose something, or the row would show nothing. */
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { startAttache } from '../server.ts'
import { row, type Stage } from './stage.ts'
import { type Acknowledged, lossesAmong, nothingSent, partialRecords, upload } from './uploads.ts'
import { type Ext4, ext4 } from './volume.ts'

const VOLUME_BYTES = 1024 * 1024 * 1024
const LOAD_MS = 3000
const AT_ONCE = 8

await row('A2', async (stage) => {
  const volume = await ext4(stage.directory, VOLUME_BYTES)
  stage.defer(() => volume.unmount())
  const rounds = stage.full ? 20 : 3
  const strict = await cuts({ stage, volume, rounds, durability: 'strict' })
  const relaxed = await cuts({ stage, volume, rounds: 1, durability: 'relaxed' })
  const lostWithout = relaxed.lost + relaxed.wrong
  const ok = strict.lost + strict.wrong + strict.partial === 0 && strict.kept > 0 && lostWithout > 0
  const figure = `${rounds} power losses, ${strict.kept} acknowledged: ${strict.lost} lost, ${strict.wrong} wrong, ${strict.partial} partial (control without fsync: ${lostWithout} of ${relaxed.kept} gone)`
  return { ok, figure }
})

interface Cuts {
  stage: Stage
  volume: Ext4
  rounds: number
  durability: 'strict' | 'relaxed'
}

/** One data directory through all rounds. */
async function cuts({ stage, volume, rounds, durability }: Cuts) {
  const { random } = stage
  const data = join(volume.path, durability)
  const env = { ATTACHE_DURABILITY: durability }
  const sent = nothingSent()
  const kept = new Map<string, Acknowledged>()
  for (let round = 1; round <= rounds; round++) {
    const attache = await startAttache({ data, env })
    stage.defer(() => attache.kill())
    const powered = { on: true }
    const cut = pause(LOAD_MS * (0.5 + random())).then(async () => {
      await volume.cutPower(() => {
        for (const [id, one] of sent.acknowledged) kept.set(id, one)
      })
      powered.on = false
    })
    const sizes = { smallest: 20_000, largest: 200_000 }
    await upload({ attache, random, sent, round: String(round), ...sizes, atOnce: AT_ONCE, goesOn: () => powered.on })
    await cut
    await attache.kill()
    await volume.remount()
    // An answer of the very moment promises nothing.
    for (const [id, { name, sha256 }] of sent.acknowledged) {
      if (kept.has(id)) continue
      sent.acknowledged.delete(id)
      sent.unanswered.set(name, sha256)
    }
  }
  const again = await startAttache({ data, env }).catch((error) => {
    if (durability === 'strict') throw error
  })
  // Without fsync the database itself may be torn: then all of it is gone.
  if (again === undefined) return { lost: kept.size, wrong: 0, partial: 0, kept: kept.size }
  stage.defer(() => again.kill())
  const losses = await lossesAmong(again, [...kept.values()])
  const partial = durability === 'strict' ? (await partialRecords(data, sent)).length : 0
  await again.kill()
  return { ...losses, partial, kept: kept.size }
}
