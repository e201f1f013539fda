import { spawnSync } from 'node:child_process'
import { availableParallelism, cpus } from 'node:os'
import { parseArgs } from 'node:util'
import { accessToken } from './access-token.bench.ts'
import { archive } from './archive.bench.ts'
import { busyShare } from './cpu.ts'
import { downloadUrls1 } from './download-urls-1.bench.ts'
import { downloadUrls100 } from './download-urls-100.bench.ts'
import { largeGet } from './large-get.bench.ts'
import { lookups } from './lookups.bench.ts'
import { memory } from './memory.bench.ts'
import { writePage } from './page.ts'
import type { Row } from './row.ts'
import { severalProcesses } from './several-processes.bench.ts'
import { smallGet } from './small-get.bench.ts'
import { smallRange } from './small-range.bench.ts'
import { openStage } from './stage.ts'
import { type Outcome, passed, tableOf } from './table.ts'
import { thumbnailCold } from './thumbnail-cold.bench.ts'
import { thumbnailWarm } from './thumbnail-warm.bench.ts'
import { upload } from './upload.bench.ts'

const ROWS: readonly Row[] = [
  downloadUrls100,
  downloadUrls1,
  lookups,
  smallGet,
  largeGet,
  smallRange,
  upload,
  thumbnailCold,
  thumbnailWarm,
  memory,
  severalProcesses,
  archive,
  accessToken,
]

function rowsAsked(ids: readonly string[]): readonly Row[] {
  const unknown = ids.filter((id) => !ROWS.some((row) => row.id === id))
  if (unknown.length > 0) {
    console.error(
      `no such row: ${unknown.join(', ')}. Rows: ${ROWS.map(({ id, job }) => `\n  ${id}  ${job}`).join('')}`,
    )
    process.exit(2)
  }
  return ids.length === 0 ? ROWS : ROWS.filter(({ id }) => ids.includes(id))
}

async function measure(row: Row): Promise<Outcome> {
  const missing = row.needs.filter(({ program }) => spawnSync(program, ['-v']).error !== undefined)
  if (missing.length > 0) return { row, lines: [], unmeasured: missing.map(({ install }) => install).join(' and ') }
  await using stage = await openStage()
  try {
    return { row, lines: await row.run(stage) }
  } catch (error) {
    if (!(error instanceof Error)) throw error
    console.error(error)
    return { row, lines: [], unmeasured: error.message.split('\n')[0] ?? '' }
  }
}

// The stages end their processes when this one exits.
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(130))

const outcomes: Outcome[] = []
const busy: number[] = []
const { values: options, positionals } = parseArgs({ allowPositionals: true, options: { write: { type: 'boolean' } } })
for (const row of rowsAsked(positionals)) {
  busy.push(Math.round((await busyShare()) * 100))
  outcomes.push(await measure(row))
}
const machine = `${cpus()[0]?.model ?? 'CPU'}, ${availableParallelism()} cores, Node ${process.versions.node}`
const report = `${tableOf(outcomes)}\n\n${machine}; busy with other work before each row: ${busy.join(', ')} %`
console.log(report)
if (options.write) await writePage(report, outcomes)
if (!outcomes.every(passed)) process.exitCode = 1
