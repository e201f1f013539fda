import { constants } from 'node:fs'
import { type FileHandle, mkdir, open, readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'

export interface RotatingLinesOptions {
  directory: string
  /** What the names of the files begin with. */
  series: string
  maxFileBytes: number
  maxFiles: number
  /** Unix time in milliseconds. */
  now(): number
  /** Told once when lines begin to be lost, and not again until one was written. */
  onTrouble(error: unknown): void
}

export interface RotatingLines {
  /** Never waits and never throws: a line that can't be kept is counted. */
  add(line: string): void
  lost(): number
  /** Writes what waits, and ends. */
  close(): Promise<void>
}

// Between a line and its write; what a killed process loses.
const FLUSH_MS = 250
const ENOUGH = 64 * 1024
// Characters that wait for a slow disk before lines are lost.
const MOST_WAITING = 8 * 1024 * 1024

/** Lines in files `SERIES-2026-01-31-000001.jsonl` of one UTC day and a bounded size each, the oldest removed over a bounded number. */
export function rotatingLines(options: RotatingLinesOptions): RotatingLines {
  const { now, onTrouble } = options
  let waiting: string[] = []
  let length = 0
  let lost = 0
  let troubled = false
  let timer: NodeJS.Timeout | undefined
  let writing: Promise<void> | undefined
  let current: OpenFile | undefined

  function add(line: string): void {
    if (length + line.length > MOST_WAITING) {
      lose(1, new Error('the audit log waits for a slow disk'))
      return
    }
    waiting.push(line)
    length += line.length + 1
    if (length >= ENOUGH) flush()
    else timer ??= setTimeout(flush, FLUSH_MS).unref()
  }

  function flush(): void {
    clearTimeout(timer)
    timer = undefined
    writing ??= write().finally(() => {
      writing = undefined
      if (waiting.length > 0) timer ??= setTimeout(flush, FLUSH_MS).unref()
    })
  }

  async function write(): Promise<void> {
    const lines = waiting
    waiting = []
    length = 0
    let kept = 0
    try {
      while (kept < lines.length) {
        const file = await fileFor(Buffer.byteLength(lines[kept] ?? ''))
        const piece = pieceOf(lines, { from: kept, room: options.maxFileBytes - file.size })
        await file.handle.appendFile(piece.bytes)
        file.size += piece.bytes.length
        kept = piece.end
        troubled = false
      }
    } catch (error) {
      lose(lines.length - kept, error)
      await closeCurrent()
    }
  }

  function lose(count: number, error: unknown): void {
    lost += count
    if (!troubled) onTrouble(error)
    troubled = true
  }

  async function fileFor(bytes: number): Promise<OpenFile> {
    const day = new Date(now()).toISOString().slice(0, 10)
    if (current && (current.day !== day || current.size + bytes + 1 > options.maxFileBytes)) await closeCurrent()
    current ??= await openNewest(options, { day, bytes })
    return current
  }

  async function closeCurrent(): Promise<void> {
    const file = current
    current = undefined
    await file?.handle.close().catch(onTrouble)
  }

  return {
    add,
    lost: () => lost,
    async close() {
      while (waiting.length > 0 || writing) {
        flush()
        await writing
      }
      clearTimeout(timer)
      await closeCurrent()
    },
  }
}

interface OpenFile {
  handle: FileHandle
  day: string
  size: number
}

const NAME = /^(\w+)-(\d{4}-\d\d-\d\d)-(\d{6,})\.jsonl$/

/** The files of a series, oldest first. */
export async function filesOf(directory: string, series: string): Promise<{ name: string; day: string }[]> {
  const found = (await readdir(directory)).flatMap((name) => {
    const [, first, day = ''] = NAME.exec(name) ?? []
    return first === series ? [{ name, day }] : []
  })
  return found.sort((a, b) => (a.name < b.name ? -1 : 1))
}

/** Goes on with the newest file of the day while it has room. */
async function openNewest(
  { directory, series, maxFileBytes, maxFiles }: RotatingLinesOptions,
  { day, bytes }: { day: string; bytes: number },
): Promise<OpenFile> {
  await mkdir(directory, { recursive: true, mode: 0o700 })
  const files = await filesOf(directory, series)
  const newest = files.findLast((file) => file.day === day)
  const number = Number(NAME.exec(newest?.name ?? '')?.[3] ?? 0)
  if (newest) {
    const file = await openToAppend(join(directory, newest.name), day)
    if (file.size + bytes + 1 <= maxFileBytes) return file
    await file.handle.close()
  }
  for (const { name } of files.slice(0, Math.max(0, files.length + 1 - maxFiles))) await rm(join(directory, name))
  return openToAppend(join(directory, `${series}-${day}-${String(number + 1).padStart(6, '0')}.jsonl`), day)
}

async function openToAppend(path: string, day: string): Promise<OpenFile> {
  const { O_APPEND, O_CREAT, O_NOFOLLOW, O_RDWR } = constants
  const handle = await open(path, O_APPEND | O_CREAT | O_NOFOLLOW | O_RDWR, 0o600)
  try {
    let { size } = await handle.stat()
    if (size > 0 && (await lastByte(handle, size)) !== LINE_END) {
      // A write was cut: what follows begins a line of its own.
      await handle.appendFile('\n')
      size++
    }
    return { handle, day, size }
  } catch (error) {
    await handle.close()
    throw error
  }
}

const LINE_END = 10

async function lastByte(handle: FileHandle, size: number): Promise<number | undefined> {
  const { buffer } = await handle.read(Buffer.alloc(1), 0, 1, size - 1)
  return buffer[0]
}

/** As many lines as there is room for, one at least. */
function pieceOf(lines: readonly string[], { from, room }: { from: number; room: number }) {
  const all = asBytes(lines.slice(from))
  if (all.length <= room) return { end: lines.length, bytes: all }
  let end = from
  let size = 0
  do {
    size += Buffer.byteLength(lines[end] ?? '') + 1
    end++
  } while (end < lines.length && size + Buffer.byteLength(lines[end] ?? '') + 1 <= room)
  return { end, bytes: asBytes(lines.slice(from, end)) }
}

function asBytes(lines: readonly string[]): Buffer {
  return Buffer.from(`${lines.join('\n')}\n`)
}
