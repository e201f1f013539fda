import { randomBytes } from 'node:crypto'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { createClient, type NodeClient } from '../packages/client/src/node.ts'
import { type Attache, type Item, startAttache, uploadMany } from './attache.ts'
import { alternate, rateLine } from './rounds.ts'
import type { Line, Row } from './row.ts'

const FILES = 1000
const SIZE = 4096
// The archive's own default.
const CONCURRENCY = 4
const MOST_GROWTH_MB = 50

export const archive: Row = {
  id: 'P12',
  job: 'SDK archive of 1,000 attachments of 4 KiB',
  goal: '≥ 0.7 × a bare loop of parallel fetches; constant memory',
  needs: [],
  async run(stage) {
    const server = await startAttache(stage)
    const items = await uploadMany(server, FILES, new Uint8Array(randomBytes(SIZE)))
    const code = await documentOf(server, items)
    const client = createClient({ baseUrl: server.url, appKey: server.appKey, appSecurity: server.appSecurity })
    const directory = join(stage.directory, 'archive')
    const peaks: number[] = []
    const found = await alternate('P12', {
      async ours() {
        const watch = peakMemory()
        const rate = await timed(() => archived(client, code, directory))
        peaks.push(watch.stop())
        await rm(directory, { recursive: true })
        return { rate }
      },
      limit: async () => ({ rate: await timed(() => fetched(server, items)) }),
    })
    const what = '1,000 attachments archived, against bare fetches that keep nothing'
    return [rateLine(found, { what, unit: 'files/s', goal: { atLeast: 0.7 } }), growthLine(peaks)]
  },
}

async function timed(work: () => Promise<void>): Promise<number> {
  const started = performance.now()
  await work()
  return FILES / ((performance.now() - started) / 1000)
}

async function archived(client: NodeClient, code: string, directory: string): Promise<void> {
  let saved = 0
  for await (const { status } of client.archive(code, directory, { concurrency: CONCURRENCY })) {
    if (status === 'saved') saved++
  }
  if (saved !== FILES) throw new Error(`${saved} of ${FILES} attachments were saved`)
}

async function fetched(server: Attache, items: readonly Item[]): Promise<void> {
  const links = await server.links(items)
  async function lane(): Promise<void> {
    for (let link = links.pop(); link; link = links.pop()) await (await fetch(link.url)).arrayBuffer()
  }
  await Promise.all(Array.from({ length: CONCURRENCY }, lane))
}

async function documentOf(server: Attache, items: readonly Item[]): Promise<string> {
  const attachments = items.map(({ id: fileId, key }, at) => ({ fileId, key, fileName: `差旅发票-${at}.pdf` }))
  const [, query = ''] = server.downloadUrls.split('?')
  const response = await fetch(`${server.url}/api/openapi/v2.2/flow/data?${query}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ form: { attachments } }),
  })
  const text = await response.text()
  if (!response.ok) throw new Error(`a document was answered ${response.status}: ${text}`)
  return JSON.parse(text).flow.form.code
}

/** The most that this process holds, in MB, looked at ten times a second. */
function peakMemory() {
  let peak = process.memoryUsage.rss()
  const timer = setInterval(() => {
    peak = Math.max(peak, process.memoryUsage.rss())
  }, 100)
  return {
    stop() {
      clearInterval(timer)
      return peak / 1_000_000
    },
  }
}

/** The first one fills what every process fills once. */
function growthLine([first = 0, ...later]: number[]): Line {
  const growth = Math.max(...later) - first
  const ratio = Math.max(0, growth / MOST_GROWTH_MB)
  return {
    what: `memory that later archives take beyond the first (${first.toFixed(0)} MB)`,
    ours: `${growth.toFixed(0)} MB`,
    limit: `${MOST_GROWTH_MB} MB`,
    ratio: { median: ratio, least: ratio, most: ratio },
    goal: { atMost: 1 },
  }
}
