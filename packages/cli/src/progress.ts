import type { Output } from './output.ts'
import { type ActiveFile, progressLines, type State, totalLine } from './progress-lines.ts'
import type { Say } from './words.ts'

/** Shows how far a command is: drawn on a terminal, a line now and then in a log, nothing with `--json` or `--quiet`. */
export interface Progress {
  /** More is to be done than was known. */
  expect(more: { files: number; bytes?: number }): void
  /** So far of one file. */
  file(name: string, bytes: number, total: number | undefined): void
  /** One file is over, however it ended. */
  done(name: string, bytes?: number): void
  stop(): void
}

const DRAW_MILLISECONDS = 120
const LOG_MILLISECONDS = 5000
const WINDOW_MILLISECONDS = 10_000

export function progress({ output, say }: { output: Output; say: Say }): Progress {
  if (!output.progress) return { expect() {}, file() {}, done() {}, stop() {} }
  const active = new Map<string, ActiveFile>()
  const total = { files: 0, bytes: undefined as number | undefined }
  const over = { files: 0, bytes: 0 }
  const bytesDone = () => over.bytes + [...active.values()].reduce((sum, { bytes }) => sum + bytes, 0)
  const rates = ratesOf(() => ({ files: over.files, bytes: bytesDone() }))
  const state = (): State => ({
    files: { done: over.files, total: total.files || undefined },
    bytes: { done: bytesDone(), total: total.bytes },
    ...rates(),
    active: [...active.values()],
  })
  const screen = output.stderr.isTTY
    ? terminal(output, (columns) => progressLines(state(), columns, say))
    : log(output, () => totalLine(state(), say))
  return {
    expect({ files, bytes }) {
      total.files += files
      if (bytes !== undefined) total.bytes = (total.bytes ?? 0) + bytes
    },
    file: (name, bytes, size) => active.set(name, { name, bytes, total: size }),
    done(name, bytes) {
      over.files++
      over.bytes += bytes ?? active.get(name)?.bytes ?? 0
      active.delete(name)
    },
    stop: () => screen.stop(),
  }
}

interface Screen {
  stop(): void
}

/** Redraws its lines in place, at the bottom of what is written. */
function terminal(output: Output, lines: (columns: number) => string[]): Screen {
  const { stderr } = output
  let drawn = 0
  const wipe = () => {
    if (drawn > 0) stderr.write(`\x1b[${drawn}A\r\x1b[J`)
    drawn = 0
  }
  const draw = () => {
    const now = lines(stderr.columns || 80)
    wipe()
    stderr.write(`${now.join('\n')}\n`)
    drawn = now.length
  }
  output.wipe = wipe
  const timer = setInterval(draw, DRAW_MILLISECONDS).unref()
  return {
    stop() {
      clearInterval(timer)
      wipe()
      output.wipe = () => {}
    },
  }
}

function log(output: Output, line: () => string): Screen {
  const timer = setInterval(() => output.note(line()), LOG_MILLISECONDS).unref()
  return { stop: () => clearInterval(timer) }
}

/** Rates of the last seconds, not of the whole run: what is left depends on them. */
function ratesOf(now: () => { files: number; bytes: number }): () => Pick<State, 'bytesPerSecond' | 'filesPerSecond'> {
  const samples = [{ at: performance.now(), files: 0, bytes: 0 }]
  return () => {
    const latest = { at: performance.now(), ...now() }
    samples.push(latest)
    while (samples.length > 2 && latest.at - (samples[0]?.at ?? 0) > WINDOW_MILLISECONDS) samples.shift()
    const [oldest = latest] = samples
    const seconds = Math.max(0.001, (latest.at - oldest.at) / 1000)
    return {
      bytesPerSecond: Math.max(0, latest.bytes - oldest.bytes) / seconds,
      filesPerSecond: Math.max(0, latest.files - oldest.files) / seconds,
    }
  }
}
