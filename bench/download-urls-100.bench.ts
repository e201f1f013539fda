import { asked, EXPIRATION_SECONDS, startAttache, uploadMany } from './attache.ts'
import { withCpu } from './cpu.ts'
import type { HmacAnswer, HmacQuestion } from './limits/hmac.ts'
import { textToSign } from './links.ts'
import { loadOn } from './load.ts'
import { median } from './median.ts'
import { alternate, latency, rateLine, short } from './rounds.ts'
import { type Row, WRK } from './row.ts'

const ITEMS = 100
const BODIES = 10
const THUMBNAIL = 'image/resize,w_120,h_120'

export const downloadUrls100: Row = {
  id: 'P1',
  job: 'downloadurls, 100 known items per request',
  goal: '≥ 0.5 × two HMACs per item; p99 ≤ 5 × p50',
  needs: [WRK],
  async run(stage) {
    const server = await startAttache(stage)
    const items = await uploadMany(server, ITEMS * BODIES, new Uint8Array(100))
    const requests = Array.from({ length: BODIES }, (_, at) => {
      const body = JSON.stringify(asked(items.slice(at * ITEMS, (at + 1) * ITEMS)))
      return { method: 'POST', path: server.downloadUrls, body } as const
    })
    const load = await loadOn(stage, { url: server.url, requests, connections: 8 })
    const limit = stage.limit<HmacQuestion, HmacAnswer>('hmac.ts')
    const expires = Math.floor(Date.now() / 1000) + EXPIRATION_SECONDS
    const texts = items.flatMap(({ key }) => {
      const object = { bucket: server.bucket, key }
      return [
        textToSign(server.link, object, { expires }),
        textToSign(server.link, object, { expires, process: THUMBNAIL }),
      ]
    })
    const found = await alternate('P1', {
      ours: withCpu(server.pid, async (seconds) => {
        const { rate, ...rest } = await load(seconds)
        return { ...rest, rate: rate * ITEMS }
      }),
      limit: withCpu(limit.pid, (seconds) => limit.ask({ seconds, texts, secret: server.link.accessKeySecret })),
    })
    const { p50Ms = 0, p99Ms = 0 } = latency(found.ours)
    const tails = found.ours.map((one) => one.p99Ms / one.p50Ms)
    return [
      rateLine(found, { what: 'downloadurls, 100 items, against HMAC alone', unit: 'items/s', goal: { atLeast: 0.5 } }),
      {
        what: 'its p99 against its p50',
        ours: `${short(p99Ms)} ms`,
        limit: `${short(p50Ms)} ms`,
        ratio: { median: median(tails), least: Math.min(...tails), most: Math.max(...tails) },
        goal: { atMost: 5 },
      },
    ]
  },
}
