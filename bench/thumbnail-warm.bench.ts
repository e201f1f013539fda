import { demoFiles } from '../demo/files.ts'
import { type Attache, type Item, startAttache, uploadMany } from './attache.ts'
import { withCpu } from './cpu.ts'
import { pathOf } from './links.ts'
import { type AskedRequest, loadOn } from './load.ts'
import { alternate, rateLine } from './rounds.ts'
import { type Line, type Row, WRK } from './row.ts'
import { renderedSoFar } from './thumbnail-cold.bench.ts'

const PICTURES = 16
const CONNECTIONS = 16
const AT_ONCE = 1000

export const thumbnailWarm: Row = {
  id: 'P9',
  job: 'thumbnail, warm',
  goal: '≥ 0.8 × its own rate of P4; 1,000 first requests at once = 1 rendering',
  needs: [WRK],
  async run(stage) {
    const server = await startAttache(stage)
    const photo = (await demoFiles()).find(({ contentType }) => contentType === 'image/jpeg')
    if (photo === undefined) throw new Error('the demonstration has no photo')
    const items = await uploadMany(server, PICTURES, new Uint8Array(photo.bytes))
    const first = await simultaneous(server, items)
    const thumbnails = await server.links(items)
    for (const { thumbUrl } of thumbnails) await read(thumbUrl)
    const whole = await server.links(await uploadMany(server, PICTURES, new Uint8Array(4096)))
    const load = async (urls: readonly string[]) => {
      const requests = urls.map((url): AskedRequest => ({ method: 'GET', path: pathOf(url) }))
      return withCpu(server.pid, await loadOn(stage, { url: server.url, requests, connections: CONNECTIONS }))
    }
    const found = await alternate('P9', {
      ours: await load(thumbnails.map(({ thumbUrl }) => thumbUrl)),
      limit: await load(whole.map(({ url }) => url)),
    })
    const what = 'thumbnail, warm, against a whole object of 4 KiB'
    return [rateLine(found, { what, unit: 'req/s', goal: { atLeast: 0.8 } }), first]
  },
}

/** All ask for the first thumbnail of one picture at the same moment. */
async function simultaneous(server: Attache, [item]: Item[]): Promise<Line> {
  const [link] = await server.links(item ? [item] : [])
  if (link === undefined) throw new Error('the server gave no link')
  const before = await renderedSoFar(server)
  await Promise.all(Array.from({ length: AT_ONCE }, () => read(link.thumbUrl)))
  const rendered = (await renderedSoFar(server)) - before
  return {
    what: 'renderings for 1,000 first requests at once',
    ours: String(rendered),
    limit: '1',
    ratio: { median: rendered, least: rendered, most: rendered },
    goal: { atMost: 1 },
  }
}

async function read(url: string): Promise<void> {
  const response = await fetch(url)
  const body = await response.arrayBuffer()
  if (!response.ok) throw new Error(`a thumbnail was answered ${response.status}: ${Buffer.from(body).toString()}`)
}
