import { randomBytes } from 'node:crypto'
import { startAttache, uploadMany } from './attache.ts'
import { withCpu } from './cpu.ts'
import { pathOf } from './links.ts'
import { type LoadOptions, loadOn } from './load.ts'
import { startNginx } from './nginx.ts'
import { alternate, rateLine } from './rounds.ts'
import { NGINX, type Row, WRK } from './row.ts'

const OBJECTS = 64
const SIZE = 4096
const CONNECTIONS = 16

export const smallGet: Row = {
  id: 'P4',
  job: 'signed GET of a 4 KiB object, verified, warm',
  goal: '≥ 0.5 × nginx serving the same bytes as a file',
  needs: [WRK, NGINX],
  async run(stage) {
    const bytes = new Uint8Array(randomBytes(SIZE))
    const server = await startAttache(stage)
    const nginx = await startNginx(stage, bytes)
    const links = await server.links(await uploadMany(server, OBJECTS, bytes))
    const requests = links.map(({ url }) => ({ method: 'GET', path: pathOf(url) }) as const)
    const file = [{ method: 'GET', path: '/file' }] as const
    const load = (url: string, asked: LoadOptions['requests']) =>
      loadOn(stage, { url, requests: asked, connections: CONNECTIONS })
    const found = await alternate('P4', {
      ours: withCpu(server.pid, await load(server.url, requests)),
      limit: withCpu(nginx.pid, await load(nginx.url, file)),
    })
    return [rateLine(found, { what: 'signed GET of 4 KiB, against nginx', unit: 'req/s', goal: { atLeast: 0.5 } })]
  },
}
