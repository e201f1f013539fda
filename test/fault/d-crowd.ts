/** Many slow pictures asked for at one moment: more than the renderers and their queue can take. */
import { setTimeout as pause } from 'node:timers/promises'
import sharp from 'sharp'
import { plain } from '../pictures.ts'
import { type Attache, bytesOf, type Link } from '../server.ts'

const COUNT = 200
const MOST_QUEUED = 64
const LOOK_MS = 100
const [WIDTH, HEIGHT] = [4000, 3000]
/** Of those sent away, so many come again. */
const AGAIN = 5

export interface Crowd {
  count: number
  rendered: number
  /** Answered 503 with `Retry-After`. */
  sentAway: number
  /** How many waited at most. */
  queued: number
  wrong: string[]
}

/** All of them are harmless, no two alike: each is rendered right, or its caller is told to come again, and is served then. */
export async function crowd(attache: Attache): Promise<Crowd> {
  const picture = await plain(WIDTH, HEIGHT).jpeg({ progressive: true, quality: 90 }).toBuffer()
  const links: Link[] = []
  for (let n = 0; n < COUNT; n++) {
    // Behind the end of the picture, where nobody looks.
    const bytes = Buffer.concat([picture, Buffer.from(`picture ${n}`)])
    links.push(await attache.linkOf(await attache.upload(`${n}.jpg`, bytes)))
  }
  const queue = watchQueue(attache)
  const told = await Promise.all(links.map(async (link) => ({ link, ...(await look(link)) })))
  const queued = await queue.stop()
  const sentAway = told.filter(({ status }) => status === 503)
  const wrong = told.flatMap(({ status, fault }, n) =>
    fault ? [`picture ${n} of the crowd: ${status}, ${fault}`] : [],
  )
  for (const { link } of sentAway.slice(0, AGAIN)) {
    const { status, fault } = await look(link)
    if (status !== 200) wrong.push(`a picture that came again: ${status}, ${fault}`)
  }
  if (sentAway.length === 0) wrong.push(`nobody of ${COUNT} was told to come again`)
  if (queued === 0 || queued > MOST_QUEUED) wrong.push(`${queued} waited`)
  const rendered = told.filter(({ status }) => status === 200).length
  if (rendered === 0) wrong.push('nothing of the crowd was rendered')
  return { count: COUNT, rendered, sentAway: sentAway.length, queued, wrong }
}

async function look({ thumbUrl }: Link): Promise<{ status: number; fault?: string }> {
  const response = await fetch(thumbUrl)
  const [bytes, { status, headers }] = [await bytesOf(response), response]
  if (status === 503)
    return Number(headers.get('retry-after')) >= 1
      ? { status }
      : { status, fault: `Retry-After ${headers.get('retry-after')}` }
  if (status !== 200) return { status, fault: bytes.toString().slice(0, 200) }
  const { width, height } = await sharp(bytes).metadata()
  return width === 120 && height === 90 ? { status } : { status, fault: `a thumbnail of ${width} × ${height}` }
}

/** `stop` gives the longest that was seen. */
function watchQueue({ url }: Attache): { stop(): Promise<number> } {
  let [most, on] = [0, true]
  const watching = (async () => {
    while (on) {
      const text = await (await fetch(`${url}/metrics`)).text()
      most = Math.max(most, Number(/^attache_renderer_queued (\d+)/m.exec(text)?.[1] ?? 0))
      await pause(LOOK_MS)
    }
  })()
  return {
    async stop() {
      on = false
      await watching
      return most
    },
  }
}
