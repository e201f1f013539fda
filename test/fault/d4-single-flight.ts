/** D4: a thousand requests for one thumbnail render it once, one that fails is not tried again, and the original never suffers. */
import { request } from 'undici'
import { hugePng, plain, truncatedJpeg } from '../pictures.ts'
import { type Attache, bytesOf, startAttache, statusOf } from '../server.ts'
import { row, type Stage, type Verdict } from './stage.ts'

const AT_ONCE = 1000
const REMEMBERED_MS = 200

async function prove({ directory, defer }: Stage): Promise<Verdict> {
  const attache = await startAttache({ data: directory })
  defer(() => attache.stop())
  const wrong: string[] = []
  const bytes = await plain(4000, 3000).jpeg().toBuffer()
  const { url, thumbUrl } = await attache.linkOf(await attache.upload('合影.jpg', Buffer.from(bytes)))
  const before = await rendered(attache)
  const started = performance.now()
  const answers = await Promise.all(Array.from({ length: AT_ONCE }, () => got(thumbUrl)))
  const ms = performance.now() - started
  const renderings = (await rendered(attache)) - before
  if (!answers.every(({ status }) => status === 200))
    wrong.push(`statuses ${[...new Set(answers.map(({ status }) => status))]}`)
  if (new Set(answers.map(({ body }) => body.toString('latin1'))).size !== 1) wrong.push('other bytes')
  if (renderings !== 1) wrong.push(`${renderings} renderings`)
  if (!bytes.equals(await bytesOf(await fetch(url)))) wrong.push('the original came back otherwise')

  let slowest = 0
  const failing: [string, Buffer][] = [
    ['断.jpg', await truncatedJpeg()],
    ['大.png', hugePng(20_000)],
    ['文.docx', Buffer.from('PK\x03\x04')],
    ['空.png', Buffer.alloc(0)],
  ]
  for (const [name, broken] of failing) {
    const links = await attache.linkOf(await attache.upload(name, Buffer.from(broken)))
    const first = await Promise.all(Array.from({ length: AT_ONCE / 10 }, () => statusOf(links.thumbUrl)))
    if (!first.every((status) => status >= 400 && status < 500)) wrong.push(`${name}: ${[...new Set(first)]}`)
    for (let n = 0; n < 20; n++) {
      const asked = performance.now()
      const status = await statusOf(links.thumbUrl)
      slowest = Math.max(slowest, performance.now() - asked)
      if (status !== first[0]) wrong.push(`${name}: ${status} after ${first[0]}`)
    }
    if (!Buffer.from(broken).equals(await bytesOf(await fetch(links.url))))
      wrong.push(`${name}: the original came back otherwise`)
  }
  if (slowest > REMEMBERED_MS) wrong.push(`a failure took ${slowest} ms again`)
  for (const line of wrong) console.log(line)
  const figure = `${AT_ONCE} requests at once: ${renderings} rendering, all answered in ${Math.round(ms)} ms; a failure that is known: ${slowest.toFixed(1)} ms at most; originals unhurt`
  return { ok: wrong.length === 0 && attache.stderr() === '', figure }
}

async function got(address: string): Promise<{ status: number; body: Buffer }> {
  const { statusCode: status, body } = await request(address)
  return { status, body: Buffer.from(await body.arrayBuffer()) }
}

async function rendered({ url }: Attache): Promise<number> {
  const text = await (await fetch(`${url}/metrics`)).text()
  return Number(/^attache_renderer_rendered\w* (\d+)/m.exec(text)?.[1])
}

await row('D4', prove)
