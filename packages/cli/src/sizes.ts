const UNITS = ['B', 'kB', 'MB', 'GB', 'TB']

export function sizeOf(bytes: number): string {
  const power = Math.min(UNITS.length - 1, bytes < 1000 ? 0 : Math.floor(Math.log10(bytes) / 3))
  const value = bytes / 1000 ** power
  return `${power === 0 ? value : value.toFixed(value < 9.95 ? 1 : 0)} ${UNITS[power]}`
}

/** `0:31`, `1:02:03`. */
export function timeOf(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds))
  const two = (number: number) => String(number % 60).padStart(2, '0')
  const hours = Math.floor(whole / 3600)
  const minutes = Math.floor(whole / 60)
  return hours > 0 ? `${hours}:${two(minutes)}:${two(whole)}` : `${minutes}:${two(whole)}`
}

// East Asian Wide and Fullwidth, and the pictures, as terminals draw them (UAX #11).
const WIDE =
  /[\u1100-\u115f\u2e80-\u303e\u3041-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6]|[\u{1f300}-\u{1faff}\u{20000}-\u{3fffd}]/u
const NARROWEST = /\p{Mn}|\u200d|\ufe0f/u

/** The text in at most so many columns of a terminal, its middle left out. */
export function fitted(text: string, columns: number): string {
  const points = [...text]
  if (widthOf(points) <= columns) return text
  const head: string[] = []
  const tail: string[] = []
  for (let [left, right] = [0, points.length - 1]; left <= right; ) {
    const [side, point] = widthOf(head) <= widthOf(tail) ? [head, points[left++]] : [tail, points[right--]]
    if (point === undefined || widthOf([...head, point, '…', ...tail]) > columns) break
    if (side === head) head.push(point)
    else tail.unshift(point)
  }
  return columns < 1 ? '' : [...head, '…', ...tail].join('')
}

export function widthOf(points: Iterable<string>): number {
  let width = 0
  for (const point of points) width += NARROWEST.test(point) ? 0 : WIDE.test(point) ? 2 : 1
  return width
}
