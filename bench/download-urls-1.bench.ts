import { asked, startAttache, uploadMany } from './attache.ts'
import { withCpu } from './cpu.ts'
import type { ConstantAnswer, ConstantQuestion } from './limits/constant-server.ts'
import { loadOn } from './load.ts'
import { alternate, rateLine } from './rounds.ts'
import { type Row, WRK } from './row.ts'

const ITEMS = 64
const CONNECTIONS = 16

export const downloadUrls1: Row = {
  id: 'P2',
  job: 'downloadurls, 1 item',
  goal: '≥ 0.5 × node:http answering a constant body of that size',
  needs: [WRK],
  async run(stage) {
    const server = await startAttache(stage)
    const items = await uploadMany(server, ITEMS, new Uint8Array(100))
    const requests = items.map((item) => {
      return { method: 'POST', path: server.downloadUrls, body: JSON.stringify(asked([item])) } as const
    })
    const body = JSON.stringify(await server.links(items.slice(0, 1)))
    const constant = stage.limit<ConstantQuestion, ConstantAnswer>('constant-server.ts')
    const { url } = await constant.ask({ body })
    const found = await alternate('P2', {
      ours: withCpu(server.pid, await loadOn(stage, { url: server.url, requests, connections: CONNECTIONS })),
      limit: withCpu(constant.pid, await loadOn(stage, { url, requests, connections: CONNECTIONS })),
    })
    return [
      rateLine(found, {
        what: 'downloadurls, 1 item, against a constant answer',
        unit: 'req/s',
        goal: { atLeast: 0.5 },
      }),
    ]
  },
}
