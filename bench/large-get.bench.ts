import { startAttache } from './attache.ts'
import { withCpu } from './cpu.ts'
import { pathOf } from './links.ts'
import { type Load, loadOn } from './load.ts'
import { startNginx } from './nginx.ts'
import { alternate, rateLine } from './rounds.ts'
import { NGINX, type Row, WRK } from './row.ts'

const SIZE = 256 * 1024 * 1024
const CONNECTIONS = 2
const GB = 1_000_000_000

export const largeGet: Row = {
  id: 'P5',
  job: 'signed GET of a 256 MiB object',
  goal: '≥ 0.9 × nginx with sendfile',
  needs: [WRK, NGINX],
  async run(stage) {
    const bytes = new Uint8Array(SIZE).fill(0x61)
    const server = await startAttache(stage, { ATTACHE_MAX_UPLOAD_BYTES: '300000000' })
    const nginx = await startNginx(stage, bytes)
    const [link] = await server.links([await server.upload('全景.zip', bytes)])
    if (link === undefined) throw new Error('the server gave no link')
    const found = await alternate('P5', {
      ours: withCpu(server.pid, gigabytes(await loadOn(stage, loadOptions(server.url, pathOf(link.url))))),
      limit: withCpu(nginx.pid, gigabytes(await loadOn(stage, loadOptions(nginx.url, '/file')))),
    })
    return [rateLine(found, { what: 'signed GET of 256 MiB, against nginx', unit: 'GB/s', goal: { atLeast: 0.9 } })]
  },
}

function loadOptions(url: string, path: string) {
  return { url, requests: [{ method: 'GET', path }], connections: CONNECTIONS } as const
}

/** Bytes on the wire, also of answers that the end of a round cuts off. */
function gigabytes(load: (seconds: number) => Promise<Load>) {
  return async (seconds: number) => ({ rate: (await load(seconds)).bytesPerSecond / GB })
}
