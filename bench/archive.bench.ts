import { randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import type { ArchiveAnswer, ArchiveQuestion } from './archiver.ts'
import { type Attache, asked, type Item, startAttache, uploadMany } from './attache.ts'
import { withCpu } from './cpu.ts'
import type { FetchesAnswer, FetchesQuestion } from './limits/bare-fetches.ts'
import { alternate, rateLine } from './rounds.ts'
import type { Line, Row } from './row.ts'
import type { Program, Stage } from './stage.ts'

const FILES = 1000
const SIZE = 4096
// The archive's own default.
const CONCURRENCY = 4
const MOST_MORE_MB = 50

export const archive: Row = {
  id: 'P12',
  job: 'SDK archive of 1,000 attachments of 4 KiB',
  goal: '≥ 0.7 × a bare loop of parallel fetches; constant memory',
  needs: [],
  async run(stage) {
    const server = await startAttache(stage)
    const items = await uploadMany(server, FILES, new Uint8Array(randomBytes(SIZE)))
    const ours = await archives(stage, server, items)
    const bare = await fetches(stage, server, items)
    const found = await alternate('P12', { ours: ours.sample, limit: bare.keepingNothing })
    // Both have been at it for as long by now.
    const memory = memoryLine(ours.pid, bare.pid)
    const written = await alternate('P12, written', { ours: ours.sample, limit: bare.writing })
    const what = '1,000 attachments archived, against bare fetches that keep nothing'
    const plainly = 'the same, against bare fetches that write files, unchecked and unsynced'
    return [
      rateLine(found, { what, unit: 'files/s', goal: { atLeast: 0.7 } }),
      rateLine(written, { what: plainly, unit: 'files/s' }),
      memory,
    ]
  },
}

/** The archive, into a new directory each time: ext4 is slow to make files where many have just been removed. */
async function archives(stage: Stage, server: Attache, items: readonly Item[]) {
  const program: Program<ArchiveQuestion, ArchiveAnswer> = stage.program('archiver.ts')
  const { url: baseUrl, appKey, appSecurity } = server
  const question = { baseUrl, appKey, appSecurity, code: await documentOf(server, items), concurrency: CONCURRENCY }
  let round = 0
  const once = async () => {
    const { saved, rate } = await program.ask({ ...question, directory: join(stage.directory, `archive-${round++}`) })
    if (saved !== FILES) throw new Error(`${saved} of ${FILES} attachments were saved`)
    return rate
  }
  return { pid: program.pid, sample: withCpu(program.pid, (seconds) => again(once, seconds)) }
}

async function fetches(stage: Stage, server: Attache, items: readonly Item[]) {
  const program = stage.limit<FetchesQuestion, FetchesAnswer>('bare-fetches.ts')
  const downloadUrls = server.url + server.downloadUrls
  const question = { downloadUrls, items: asked(items), concurrency: CONCURRENCY }
  const keepNothing = async () => (await program.ask(question)).rate
  let round = 0
  const write = async () => {
    const directory = join(stage.directory, `plain-${round++}`)
    await mkdir(directory)
    return (await program.ask({ ...question, directory })).rate
  }
  return {
    pid: program.pid,
    keepingNothing: withCpu(program.pid, (seconds) => again(keepNothing, seconds)),
    writing: withCpu(program.pid, (seconds) => again(write, seconds)),
  }
}

/** Files a second of as many runs as begin within the time. */
async function again(once: () => Promise<number>, seconds: number): Promise<{ rate: number }> {
  const started = performance.now()
  let [files, spent] = [0, 0]
  while (performance.now() - started < seconds * 1000) {
    files += FILES
    spent += FILES / (await once())
  }
  return { rate: files / spent }
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

/** What the archive needs beyond fetching: most of either is garbage that V8 has not collected yet. */
function memoryLine(ours: number, bare: number): Line {
  const [most, mostBare] = [peakMb(ours), peakMb(bare)]
  const ratio = Math.max(0, most - mostBare) / MOST_MORE_MB
  return {
    what: `memory beyond that of bare fetches at their most (${mostBare.toFixed(0)} MB)`,
    ours: `${(most - mostBare).toFixed(0)} MB`,
    limit: `${MOST_MORE_MB} MB`,
    ratio: { median: ratio, least: ratio, most: ratio },
    goal: { atMost: 1 },
  }
}

/** The most memory that a process ever had (proc(5), VmHWM). */
function peakMb(pid: number): number {
  const [, kib] = /^VmHWM:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'latin1')) ?? []
  return (Number(kib) * 1024) / 1_000_000
}
