import { randomBytes } from 'node:crypto'
import { writeFile } from 'node:fs/promises'
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import sharp from 'sharp'
import { demoFiles } from '../demo/files.ts'
import { type Attache, type Item, startAttache } from './attache.ts'
import { inLanes } from './lanes.ts'
import type { SharpAnswer, SharpQuestion } from './limits/sharp-alone.ts'
import { pathOf, signedPath } from './links.ts'
import { loadOn } from './load.ts'
import { median } from './median.ts'
import { alternate, latency, rateLine, ratioOf, type Sample, short } from './rounds.ts'
import { type Line, type Row, WRK } from './row.ts'
import type { Stage } from './stage.ts'

const RENDERERS = Math.max(1, Math.floor(availableParallelism() / 2))
const EXPIRES = Math.floor(Date.now() / 1000) + 86_400

interface Picture {
  name: string
  bytes: Uint8Array<ArrayBuffer>
}

export const thumbnailCold: Row = {
  id: 'P8',
  job: 'thumbnail, cold',
  goal: '≥ 0.8 × sharp alone; p99 of a signed GET meanwhile ≤ 3 × idle',
  needs: [WRK],
  async run(stage) {
    const server = await startAttache(stage, { ATTACHE_RENDERERS: String(RENDERERS) })
    const lines: Line[] = []
    let photo: (() => Promise<void>) | undefined
    for (const picture of await pictures()) {
      const next = coldThumbnails(server, await server.upload(picture.name, picture.bytes))
      photo ??= next
      lines.push(await againstSharp(stage, server, { picture, next }))
    }
    if (photo) lines.push(await besideRendering(stage, server, photo))
    return lines
  },
}

/** 12 megapixels as a phone takes them, and the same scene as a PNG of 3000 pixels. */
async function pictures(): Promise<Picture[]> {
  const photo = (await demoFiles()).find(({ contentType }) => contentType === 'image/jpeg')
  if (photo === undefined) throw new Error('the demonstration has no photo')
  const png = await sharp(photo.bytes).rotate().resize(2250, 3000).png().toBuffer()
  return [
    { name: 'photo.jpg', bytes: new Uint8Array(photo.bytes) },
    { name: 'drawing.png', bytes: new Uint8Array(png) },
  ]
}

/**
 * Asks for one thumbnail that nobody asked for before. Both pictures stand upright, so a wider box of the same height
 * gives the same pixels under another name.
 */
function coldThumbnails({ url, bucket, link }: Attache, { key }: Item): () => Promise<void> {
  let width = 120
  return async () => {
    const process = `image/resize,w_${++width},h_120`
    const response = await fetch(url + signedPath(link, { bucket, key }, { expires: EXPIRES, process }))
    const body = await response.arrayBuffer()
    if (!response.ok) throw new Error(`a thumbnail was answered ${response.status}: ${Buffer.from(body).toString()}`)
  }
}

interface Job {
  picture: Picture
  next(): Promise<void>
}

async function againstSharp(stage: Stage, server: Attache, { picture, next }: Job): Promise<Line> {
  const file = join(stage.directory, picture.name)
  await writeFile(file, picture.bytes)
  const alone = stage.limit<SharpQuestion, SharpAnswer>('sharp-alone.ts')
  const found = await alternate(`P8 ${picture.name}`, {
    async ours(seconds) {
      const before = await renderedSoFar(server)
      // Twice as many in flight as are rendered at a time: one job always waits at the door.
      const { count, ...sample } = await inLanes(2 * RENDERERS, seconds, next)
      if ((await renderedSoFar(server)) - before !== count) throw new Error('a thumbnail was not cold')
      return sample
    },
    limit: (seconds) => alone.ask({ seconds, file, parallel: RENDERERS }),
  })
  const size = `${(picture.bytes.length / 1_000_000).toFixed(1)} MB, ${RENDERERS} at a time`
  const what = `thumbnail of ${picture.name}, cold, against sharp alone`
  return rateLine(found, { what, unit: '/s', goal: { atLeast: 0.8 }, note: size })
}

/** One signed GET after another on one connection, while thumbnails are made and while none are. */
async function besideRendering(stage: Stage, server: Attache, next: () => Promise<void>): Promise<Line> {
  const small = await server.upload('说明.txt', new Uint8Array(randomBytes(4096)))
  const [link] = await server.links([small])
  if (link === undefined) throw new Error('the server gave no link')
  const requests = [{ method: 'GET', path: pathOf(link.url) }] as const
  const load = await loadOn(stage, { url: server.url, requests, connections: 1 })
  const found = await alternate<Sample, Sample>('P8 GET beside rendering', {
    async ours(seconds) {
      const [sample] = await Promise.all([load(seconds), inLanes(2 * RENDERERS, seconds, next)])
      return sample
    },
    limit: load,
  })
  const [busy, idle] = [found.ours, found.limit].map((samples) => samples.map(({ p99Ms = 0 }) => p99Ms))
  return {
    what: 'p99 of a signed GET of 4 KiB beside rendering, against idle',
    ours: `${short(median(busy ?? []))} ms`,
    limit: `${short(median(idle ?? []))} ms`,
    ratio: ratioOf(busy ?? [], idle ?? []),
    goal: { atMost: 3 },
    ...latency(found.ours),
  }
}

export async function renderedSoFar({ url }: Attache): Promise<number> {
  const text = await (await fetch(`${url}/metrics`)).text()
  return Number(/^attache_renderer_rendered (\d+)/m.exec(text)?.[1] ?? Number.NaN)
}
