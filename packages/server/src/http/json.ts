/** Whether `[` and `{` lie deeper than `limit` in a JSON text. Parsing a deep text costs far more than this look at it. */
export function isDeeperThan(limit: number, text: string): boolean {
  let depth = 0
  let inString = false
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i)
    if (inString) {
      if (code === BACKSLASH) i++
      else if (code === QUOTE) inString = false
    } else if (code === QUOTE) inString = true
    else if (code === OPEN_ARRAY || code === OPEN_OBJECT) {
      if (++depth > limit) return true
    } else if (code === CLOSE_ARRAY || code === CLOSE_OBJECT) depth--
  }
  return false
}

/** A JSON text with what it says, for those who keep the spelling: `JSON.parse` loses that of numbers and the order of names. */
export interface JsonText<Value> {
  text: string
  value: Value
}

/** Where a value stands in a JSON text. The text has been parsed before: on one that is not JSON a span means nothing. */
export interface Span {
  start: number
  /** After its last character. */
  end: number
}

export interface Member extends Span {
  name: string
}

export interface Edit extends Span {
  text: string
}

/** The value that begins at `from` or after the space there. */
export function valueAt(text: string, from = 0): Span {
  const start = afterSpace(text, from)
  return { start, end: endOfValue(text, start) }
}

/** Names and values of an object in their order, names that come again as well. */
export function membersOf(text: string, object: Span): Member[] {
  const members: Member[] = []
  let at = afterSpace(text, object.start + 1)
  while (at < object.end - 1) {
    const nameEnd = endOfString(text, at)
    const value = valueAt(text, afterSpace(text, nameEnd) + 1)
    members.push({ name: nameIn(text, at, nameEnd), start: value.start, end: value.end })
    at = afterSpace(text, afterSpace(text, value.end) + 1)
  }
  return members
}

/** The member with this name; as for `JSON.parse` the last one counts. */
export function memberOf(text: string, object: Span, name: string): Member | undefined {
  return membersOf(text, object).findLast((member) => member.name === name)
}

export function elementsOf(text: string, array: Span): Span[] {
  const elements: Span[] = []
  let at = afterSpace(text, array.start + 1)
  while (at < array.end - 1) {
    const element = valueAt(text, at)
    elements.push(element)
    at = afterSpace(text, afterSpace(text, element.end) + 1)
  }
  return elements
}

/** What puts `values`, given as JSON, into an object: in the place of the value that a name has, or at the object's end. */
export function memberEdits(text: string, object: Span, values: ReadonlyMap<string, string>): Edit[] {
  const members = membersOf(text, object)
  const known = new Map(members.map((member) => [member.name, member]))
  const edits: Edit[] = []
  const added: string[] = []
  for (const [name, value] of values) {
    const member = known.get(name)
    if (member) edits.push({ start: member.start, end: member.end, text: value })
    else added.push(`${JSON.stringify(name)}:${value}`)
  }
  const at = members.at(-1)?.end ?? object.start + 1
  if (added.length > 0) edits.push({ start: at, end: at, text: (members.length > 0 ? ',' : '') + added.join(',') })
  return edits
}

/** `edits` lie apart from each other, in any order. */
export function withEdits(text: string, edits: readonly Edit[]): string {
  const parts: string[] = []
  let at = 0
  for (const edit of edits.toSorted((a, b) => a.start - b.start || a.end - b.end)) {
    parts.push(text.slice(at, edit.start), edit.text)
    at = edit.end
  }
  return parts.join('') + text.slice(at)
}

function nameIn(text: string, start: number, end: number): string {
  const name = text.slice(start + 1, end - 1)
  return name.includes('\\') ? JSON.parse(text.slice(start, end)) : name
}

function endOfValue(text: string, start: number): number {
  const first = text.charCodeAt(start)
  if (first === QUOTE) return endOfString(text, start)
  if (first === OPEN_OBJECT || first === OPEN_ARRAY) return endOfNested(text, start)
  WORD.lastIndex = start
  WORD.test(text)
  return WORD.lastIndex
}

function endOfString(text: string, start: number): number {
  let i = start + 1
  while (i < text.length && text.charCodeAt(i) !== QUOTE) i += text.charCodeAt(i) === BACKSLASH ? 2 : 1
  return i + 1
}

function endOfNested(text: string, start: number): number {
  let depth = 0
  let i = start
  do {
    const code = text.charCodeAt(i)
    if (code === QUOTE) i = endOfString(text, i)
    else {
      if (code === OPEN_ARRAY || code === OPEN_OBJECT) depth++
      else if (code === CLOSE_ARRAY || code === CLOSE_OBJECT) depth--
      i++
    }
  } while (depth > 0 && i < text.length)
  return i
}

function afterSpace(text: string, from: number): number {
  let i = from
  while (text.charCodeAt(i) <= SPACE) i++
  return i
}

// A number, true, false or null: up to what can follow it.
const WORD = /[^\s,\]}]+/y

const SPACE = 0x20
const QUOTE = 0x22
const BACKSLASH = 0x5c
const OPEN_ARRAY = 0x5b
const CLOSE_ARRAY = 0x5d
const OPEN_OBJECT = 0x7b
const CLOSE_OBJECT = 0x7d
