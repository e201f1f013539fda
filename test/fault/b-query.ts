/** A target as text: its path and its parameters, looked at and changed without a parser of the service. */

export type Random = () => number

export function once(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}

export function namesIn(target: string): string[] {
  return target
    .slice(target.indexOf('?') + 1)
    .split('&')
    .map((pair) => pair.split('=', 1)[0] ?? '')
}

export function pairOf(target: string, name: string): RegExpExecArray | null {
  return new RegExp(`[?&]${name}=([^&]*)`).exec(target)
}

export function valueIn(target: string, name: string): string {
  return pairOf(target, name)?.[1] ?? ''
}

export function replaced(target: string, name: string, value: string): string {
  const found = pairOf(target, name)
  if (found === null) return `${target}&${name}=${value}`
  return splice(target, found.index + 1, found[0].length - 1, `${name}=${value}`)
}

export function without(target: string, name: string): string {
  const found = pairOf(target, name)
  return found ? splice(target, found.index + 1, found[0].length, '') : target
}

/** Puts a value in front of the true one, or in its place. */
export function first(target: string, name: string, value: string, instead = false): string {
  return instead ? replaced(target, name, value) : target.replace('?', `?${name}=${value}&`)
}

export function renamed(target: string, name: string, cased = false): { target: string } {
  const other = cased ? name.replace(/[a-z]/i, (letter) => otherCase(letter, 0)) : `${name}x`
  return { target: target.replace(`${name}=`, `${other}=`) }
}

export function again(target: string, name: string): { target: string } {
  return { target: replaced(target, name, encodeURIComponent(valueIn(target, name))) }
}

export function taken(target: string, from: string, name: string): { target: string } {
  return { target: replaced(target, name, valueIn(from, name)) }
}

export function withKey(target: string, key: string, spelt: string): string {
  const slash = target.lastIndexOf('/', target.indexOf('?'))
  return `${target.slice(0, slash + 1)}${spelt === key ? encodeURIComponent(spelt) : spelt}${target.slice(target.indexOf('?'))}`
}

export function otherCase(text: string, index: number): string {
  const letter = text[index] ?? ''
  return splice(text, index, 1, letter === letter.toLowerCase() ? letter.toUpperCase() : letter.toLowerCase())
}

export function swap(target: string, index: number): { target: string } {
  return { target: splice(target, index, 2, `${target[index + 1] ?? ''}${target[index] ?? ''}`) }
}

export function splice(text: string, from: number, length: number, put: string): string {
  return text.slice(0, from) + put + text.slice(from + length)
}

export function at(target: string, random: Random): number {
  return 1 + Math.floor(random() * (target.length - 1))
}

export function pick(text: string, random: Random): string {
  return text[Math.floor(random() * text.length)] ?? ''
}

export function some<T>(of: readonly T[], random: Random): T {
  return of[Math.floor(random() * of.length)] as T
}
