import { join } from 'node:path'
import { asked, startAttache } from './attache.ts'
import { fillAttachments } from './fill.ts'
import { loadOn } from './load.ts'
import { alternate, rateLine } from './rounds.ts'
import { type Row, WRK } from './row.ts'
import { openStage, type Stage } from './stage.ts'

const ITEMS = 100
const BODIES = 2000
const FEW = 1000
const MANY = 1_000_000

export const lookups: Row = {
  id: 'P3',
  job: 'downloadurls, 100 items, at 1,000,000 attachments and at 1,000',
  goal: '≥ 0.8 × its own items/s at 1,000',
  needs: [WRK],
  async run(stage) {
    await using other = await openStage()
    const [few, many] = [await filled(other, FEW), await filled(stage, MANY)]
    const same = await alternate('P3 1,000 of them', {
      ours: await many.load((at) => at % FEW),
      limit: await few.load((at) => at % FEW),
    })
    const all = await alternate('P3 all of them', {
      ours: await many.load(() => Math.floor(Math.random() * MANY)),
      limit: await few.load((at) => at % FEW),
    })
    const goal = { atLeast: 0.8 }
    return [
      rateLine(same, {
        what: 'the same 1,000 of 1,000,000 attachments, against 1,000 of 1,000',
        unit: 'items/s',
        goal,
      }),
      rateLine(all, {
        what: 'any of 1,000,000, nearly all from the database, against 1,000 from memory',
        unit: 'items/s',
      }),
    ]
  },
}

/** A service whose database has `count` attachments, which have no blobs: nobody downloads here. */
async function filled(stage: Stage, count: number) {
  const first = await startAttache(stage)
  await first.stop()
  const itemOf = fillAttachments(join(stage.directory, 'data', 'records.sqlite'), count)
  const server = await startAttache(stage)
  return {
    async load(choice: (at: number) => number) {
      const requests = Array.from({ length: BODIES }, (_, body) => {
        const items = Array.from({ length: ITEMS }, (_, i) => itemOf(choice(body * ITEMS + i)))
        return { method: 'POST', path: server.downloadUrls, body: JSON.stringify(asked(items)) } as const
      })
      const load = await loadOn(stage, { url: server.url, requests, connections: 8 })
      return async (seconds: number) => {
        const { rate, ...rest } = await load(seconds)
        return { ...rest, rate: rate * ITEMS }
      }
    },
  }
}
