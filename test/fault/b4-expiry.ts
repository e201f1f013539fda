/** B4: a link works until its second is over and not after, and a clock that is set back revives nothing. */
import { existsSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { steadyClock } from '../../packages/server/src/steady-clock.ts'
import { startAttache, statusOf } from '../server.ts'
import { type Inside, type Insider, insider, openInside } from './b-inside.ts'
import { NotHere, row, type Stage } from './stage.ts'

const HOUR_MS = 3_600_000
/** A second is as far as docs/operations.md lets the clocks of nodes be apart. */
const SKEWS_MS = [-300_000, -1000, 1000, 300_000]
const LIFE_MS = 1_000_000
const FAKETIME = [
  '/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1',
  '/usr/lib/aarch64-linux-gnu/faketime/libfaketime.so.1',
]
const LIVES = [1, 2, 59, 1000, 7200, 604_800, 2_592_000, 315_360_000]

await row('B4', async (stage) => {
  const clock = { wall: Date.UTC(2026, 0, 2, 3, 4, 5, 678), elapsed: 0 }
  const now = steadyClock({ wall: () => clock.wall, elapsed: () => clock.elapsed })
  const on = await openInside({ directory: stage.directory, now })
  stage.defer(() => on.close())
  const own = await on.corporation('own')
  const moved = { on, own, clock }
  const wrong = [...(await exactness(moved, stage)), ...(await steppedBack(moved)), ...(await skewed(stage))]
  const process = await oldProcess(stage)
  for (const line of [...wrong, ...process.wrong]) console.log(line)
  const figure = `${wrong.length} of ${LIVES.length * 5} lives from 1 s to 10 years off by a millisecond or more; after 1 h back ${process.wrong.length} revived in-process (${process.how}); a node 1 s or 5 min off counts by its own clock to the millisecond: by the signer's a link lives that much less or more, so a second less than asked at most where clocks agree to a second`
  return { ok: wrong.length + process.wrong.length === 0, figure }
})

interface Moved {
  on: Inside
  own: Insider
  clock: { wall: number; elapsed: number }
}

/** Each life with links asked for at random milliseconds: the first and the last millisecond of it, and the one after. */
async function exactness({ on, own, clock }: Moved, { random }: Stage): Promise<string[]> {
  const wrong: string[] = []
  const uploaded = await own.upload('期限.txt', Buffer.from('x'))
  const start = clock.wall
  for (const life of LIVES) {
    for (let turn = 0; turn < 5; turn++) {
      const fresh = await freshToken(on, own)
      const askedAt = clock.wall + Math.floor(random() * 2000)
      clock.wall = askedAt
      const { url } = await fresh.link(uploaded, life)
      const expires = Number(/Expires=(\d+)/.exec(url)?.[1]) * 1000
      const statuses = []
      for (const at of [askedAt, askedAt + life * 1000, expires, expires + 1]) {
        clock.wall = at
        statuses.push((await on.ask({ url })).statusCode)
      }
      const longer = expires - askedAt - life * 1000
      if (statuses.join() !== '200,200,200,403' || longer < 0 || longer > 999)
        wrong.push(`${life} s asked at ${askedAt}: ${statuses}, ${longer} ms more`)
    }
  }
  // Back to the start, by more than a clock is ever set back: what follows begins anew.
  clock.wall = start
  return wrong
}

/** Time passes by the years here, and tokens end; one of the same corporation is taken for each link. */
function freshToken({ ask }: Inside, own: Insider): Promise<Insider> {
  return insider(ask, own)
}

async function steppedBack({ on, own, clock }: Moved): Promise<string[]> {
  const fresh = await freshToken(on, own)
  const { url } = await fresh.link(await fresh.upload('回拨.txt', Buffer.from('x')), 10)
  const pass = (milliseconds: number) => {
    clock.wall += milliseconds
    clock.elapsed += milliseconds
  }
  const statuses = [(await on.ask({ url })).statusCode]
  pass(11_001)
  statuses.push((await on.ask({ url })).statusCode)
  clock.wall -= HOUR_MS
  statuses.push((await on.ask({ url })).statusCode)
  pass(HOUR_MS)
  statuses.push((await on.ask({ url })).statusCode)
  return statuses.join() === '200,403,403,403' ? [] : [`set back: ${statuses}`]
}

/**
 * Two nodes over the same data one after the other, the second's clock off: it counts by its own, so that on the signer's
 * clock a link lives by just so much longer or shorter, and where clocks agree to a second a second less than asked at most.
 */
async function skewed({ directory }: Stage): Promise<string[]> {
  const wrong: string[] = []
  for (const skew of SKEWS_MS) {
    const data = join(directory, `skew${skew}`)
    const start = Date.UTC(2026, 0, 2)
    const signer = await openInside({ directory: data, now: () => start })
    const own = await signer.corporation('own')
    const { url } = await own.link(await own.upload('a.txt', Buffer.from('x')), LIFE_MS / 1000)
    await signer.close()
    const at = { now: start + skew }
    const checker = await openInside({ directory: data, now: () => at.now })
    const statuses = []
    const end = start + LIFE_MS - skew
    for (const bySigner of [start, end, end + 1]) {
      at.now = bySigner + skew
      statuses.push((await checker.ask({ url })).statusCode)
    }
    await checker.close()
    if (statuses.join() !== '200,200,403') wrong.push(`skew ${skew}: ${statuses}`)
  }
  return wrong
}

/** The program itself under libfaketime, where there is one: the system's clock goes back under it. */
async function oldProcess({ directory }: Stage): Promise<{ wrong: string[]; how: string }> {
  const library = FAKETIME.find((path) => existsSync(path))
  if (library === undefined) throw new NotHere('no libfaketime: apt-get install faketime')
  const file = join(directory, 'offset')
  await writeFile(file, '+0')
  const env = {
    LD_PRELOAD: library,
    FAKETIME_TIMESTAMP_FILE: file,
    FAKETIME_NO_CACHE: '1',
    DONT_FAKE_MONOTONIC: '1',
    FAKETIME_DONT_FAKE_MONOTONIC: '1',
  }
  const attache = await startAttache({ env })
  try {
    const uploaded = await attache.upload('a.txt', Buffer.from('x'))
    const [link] = await attache.links([{ id: uploaded.fileId, key: uploaded.key, expiration: 60 }])
    const url = link?.url ?? ''
    const statuses = [await statusOf(url)]
    for (const offset of ['+120s', '-3600s']) {
      await writeFile(file, offset)
      statuses.push(await statusOf(url))
    }
    return {
      wrong: statuses.join() === '200,403,403' ? [] : [`the process: ${statuses}`],
      how: 'injected clock, and libfaketime under the process',
    }
  } finally {
    await attache.stop()
  }
}
