import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { startAttache } from './attache.ts'
import { fillAttachments } from './fill.ts'
import { pathOf } from './links.ts'
import { median } from './median.ts'
import { LONG } from './rounds.ts'
import type { Line, Row } from './row.ts'
import type { Stage } from './stage.ts'

const RECORDS = 100_000
const READERS = 500
const SIZE = 30 * 1024 * 1024
const READ_BYTES = 16 * 1024
const READING_MS = 5000
const SETTLING_MS = 2000

export const memory: Row = {
  id: 'P10',
  job: 'memory and start, 100,000 records',
  goal: '≤ 120 MB idle; ≤ 150 MB more for 500 slow readers of 30 MiB; ready in ≤ 500 ms',
  needs: [],
  async run(stage) {
    const first = await startAttache(stage)
    const [link] = await first.links([await first.upload('合同扫描件.zip', new Uint8Array(SIZE))])
    if (link === undefined) throw new Error('the server gave no link')
    await first.stop()
    fillAttachments(join(stage.directory, 'data', 'records.sqlite'), RECORDS)
    const starts: number[] = []
    const idle: number[] = []
    for (let round = 0; round < LONG.rounds; round++) {
      const server = await startAttache(stage)
      starts.push(server.readyMs)
      await pause(SETTLING_MS)
      idle.push(residentMb(server.pid))
      await server.stop()
    }
    const goals = { idle: 120, ready: 500 }
    return [
      lineOf(`start to ready with ${RECORDS.toLocaleString('en')} records`, starts, { unit: 'ms', most: goals.ready }),
      lineOf('resident memory, idle', idle, { unit: 'MB', most: goals.idle }),
      await slowReaders(stage, pathOf(link.url)),
    ]
  },
}

/** Readers that take 16 KiB ten times a second each, over sockets that hold little. */
async function slowReaders(stage: Stage, path: string): Promise<Line> {
  const server = await startAttache(stage)
  await pause(SETTLING_MS)
  const before = residentMb(server.pid)
  const { port } = new URL(server.url)
  const sockets: Socket[] = []
  for (let i = 0; i < READERS; i++) sockets.push(await slowReader(Number(port), path))
  let most = 0
  for (let waited = 0; waited < READING_MS; waited += 100) {
    for (const socket of sockets) socket.read(READ_BYTES)
    most = Math.max(most, residentMb(server.pid))
    await pause(100)
  }
  for (const socket of sockets) socket.destroy()
  return lineOf(`more for ${READERS} slow readers of 30 MiB`, [most - before], { unit: 'MB', most: 150 })
}

async function slowReader(port: number, path: string): Promise<Socket> {
  const socket = connect({ port, host: '127.0.0.1' })
  await once(socket, 'connect')
  socket.pause()
  socket.write(`GET ${path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n`)
  return socket
}

function lineOf(what: string, values: number[], { unit, most }: { unit: string; most: number }): Line {
  const ratios = values.map((value) => value / most)
  return {
    what,
    ours: `${median(values).toFixed(0)} ${unit}`,
    limit: `${most} ${unit}`,
    ratio: { median: median(ratios), least: Math.min(...ratios), most: Math.max(...ratios) },
    goal: { atMost: 1 },
  }
}

/** Of the process alone; renderers are not started before a thumbnail is asked for. */
function residentMb(pid: number): number {
  const [, kilobytes = 'NaN'] = /^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, 'latin1')) ?? []
  return (Number(kilobytes) * 1024) / 1_000_000
}
