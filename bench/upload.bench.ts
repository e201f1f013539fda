import { once } from 'node:events'
import { Agent, type IncomingMessage, request } from 'node:http'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { type Attache, startAttache } from './attache.ts'
import { inLanes } from './lanes.ts'
import type { DurableAnswer, DurableQuestion } from './limits/durable-write.ts'
import { alternate, LONG, rateLine } from './rounds.ts'
import type { Line, Row } from './row.ts'
import type { Stage } from './stage.ts'

const PARALLEL = 8
const SIZES = [
  { name: '64 KiB', size: 64 * 1024 },
  { name: '1 MiB', size: 1024 * 1024 },
  { name: '30 MiB', size: 30 * 1024 * 1024 },
]

export const upload: Row = {
  id: 'P7',
  job: 'durable upload, 8 in parallel',
  goal: '≥ 0.7 × write, fsync, rename, fsync, commit alone',
  needs: [],
  async run(stage) {
    const server = await startAttache(stage)
    const lines: Line[] = []
    for (const one of SIZES) lines.push(await ofSize(stage, server, one))
    return lines
  },
}

async function ofSize(stage: Stage, server: Attache, { name, size }: (typeof SIZES)[number]): Promise<Line> {
  const limit = stage.limit<DurableQuestion, DurableAnswer>('durable-write.ts')
  const directory = join(stage.directory, 'limit')
  const agent = new Agent({ keepAlive: true, maxSockets: PARALLEL })
  const body = formOf(size)
  const found = await alternate(`P7 ${name}`, {
    ours: (seconds) => inLanes(PARALLEL, seconds, () => send(server, agent, body)),
    limit: (seconds) => limit.ask({ seconds, directory, size, parallel: PARALLEL }),
    turns: LONG,
  })
  agent.destroy()
  return rateLine(found, {
    what: `upload of ${name}, against a durable write alone`,
    unit: '/s',
    goal: { atLeast: 0.7 },
  })
}

const BOUNDARY = 'attache-bench-boundary'

/** Made once: what the caller spends on its own side is no part of the job. */
function formOf(size: number): Buffer {
  const part = (name: string, rest: string) =>
    `--${BOUNDARY}\r\nContent-Disposition: form-data; name="${name}"${rest}\r\n\r\n`
  const head = `${part('name', '')}扫描件.bin\r\n${part('file', '; filename="file"\r\nContent-Type: application/octet-stream')}`
  return Buffer.concat([Buffer.from(head), Buffer.alloc(size, 0x61), Buffer.from(`\r\n--${BOUNDARY}--\r\n`)])
}

async function send(server: Attache, agent: Agent, body: Buffer): Promise<void> {
  const headers = { 'content-type': `multipart/form-data; boundary=${BOUNDARY}`, 'content-length': body.length }
  const asked = request(server.url + server.downloadUrls.replace('downloadurls', 'upload'), {
    method: 'POST',
    agent,
    headers,
  })
  asked.end(body)
  const [answer] = (await once(asked, 'response')) as [IncomingMessage]
  const said = await text(answer)
  if (answer.statusCode !== 200) throw new Error(`an upload was answered ${answer.statusCode}: ${said}`)
}
