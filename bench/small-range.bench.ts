import { randomBytes } from 'node:crypto'
import { startAttache, uploadMany } from './attache.ts'
import { withCpu } from './cpu.ts'
import { pathOf } from './links.ts'
import { type AskedRequest, loadOn } from './load.ts'
import { alternate, rateLine } from './rounds.ts'
import { type Row, WRK } from './row.ts'

const SIZE = 30 * 1024 * 1024
const RANGE = 100
const RANGES = 64
// No multiple of any block.
const STRIDE = 480_009
const CONNECTIONS = 16

export const smallRange: Row = {
  id: 'P6',
  job: '100-byte range of a 30 MiB object',
  goal: '≥ 0.5 × its own rate of P4',
  needs: [WRK],
  async run(stage) {
    const server = await startAttache(stage)
    const small = await server.links(await uploadMany(server, RANGES, new Uint8Array(randomBytes(4096))))
    const [large] = await server.links([await server.upload('合同扫描件.zip', new Uint8Array(SIZE))])
    if (large === undefined) throw new Error('the server gave no link')
    const ranges = Array.from({ length: RANGES }, (_, at): AskedRequest => {
      const first = 17 + at * STRIDE
      return { method: 'GET', path: pathOf(large.url), range: `bytes=${first}-${first + RANGE - 1}` }
    })
    const whole = small.map(({ url }): AskedRequest => ({ method: 'GET', path: pathOf(url) }))
    const load = async (requests: readonly AskedRequest[]) =>
      withCpu(server.pid, await loadOn(stage, { url: server.url, requests, connections: CONNECTIONS }))
    const found = await alternate('P6', { ours: await load(ranges), limit: await load(whole) })
    const what = '100 bytes out of 30 MiB, against a whole object of 4 KiB'
    return [rateLine(found, { what, unit: 'req/s', goal: { atLeast: 0.5 } })]
  },
}
