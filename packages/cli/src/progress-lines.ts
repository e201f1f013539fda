import { fitted, sizeOf, timeOf, widthOf } from './sizes.ts'
import { printable, type Say } from './words.ts'

export interface ActiveFile {
  name: string
  bytes: number
  total: number | undefined
}

/** How far everything is. */
export interface State {
  files: { done: number; total: number | undefined }
  /** Of all files; `total` when every size is known before. */
  bytes: { done: number; total: number | undefined }
  bytesPerSecond: number
  filesPerSecond: number
  active: ActiveFile[]
}

const MOST_ACTIVE = 4
const BAR_COLUMNS = 20

/** A total bar and at most four files, none wider than the terminal. */
export function progressLines(state: State, columns: number, say: Say): string[] {
  const share = shareOf(state)
  const bar = share === undefined ? '' : `[${'='.repeat(Math.floor(share * BAR_COLUMNS)).padEnd(BAR_COLUMNS)}] `
  const total = `${bar}${totalLine(state, say)}`
  const files = state.active.slice(0, MOST_ACTIVE).map(({ name, bytes, total: size }) => {
    const amount = size === undefined ? sizeOf(bytes) : `${sizeOf(bytes)}/${sizeOf(size)}`
    return `  ${fitted(printable(name), columns - widthOf(amount) - 5)}  ${amount}`
  })
  return [fitted(total, columns - 1), ...files]
}

/** The same in one line, for a log. */
export function totalLine({ files, bytes, bytesPerSecond, filesPerSecond, active: _active }: State, say: Say): string {
  const left =
    bytes.total !== undefined
      ? (bytes.total - bytes.done) / bytesPerSecond
      : files.total !== undefined
        ? (files.total - files.done) / filesPerSecond
        : Number.NaN
  const parts = [
    `${files.done}${files.total === undefined ? '' : `/${files.total}`} ${say({ en: 'files', zh: '个文件' })}`,
    bytes.total === undefined ? sizeOf(bytes.done) : `${sizeOf(bytes.done)}/${sizeOf(bytes.total)}`,
    `${sizeOf(Math.round(bytesPerSecond))}/s`,
    Number.isFinite(left) && say({ en: `${timeOf(left)} left`, zh: `剩余 ${timeOf(left)}` }),
  ]
  return parts.filter(Boolean).join(' · ')
}

function shareOf({ files, bytes }: State): number | undefined {
  if (bytes.total) return Math.min(1, bytes.done / bytes.total)
  if (files.total) return Math.min(1, files.done / files.total)
  return undefined
}
