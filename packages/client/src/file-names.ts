/** The longest name that is given, in bytes: what is added to it (` (99)`, `.part.json`) must fit into 255. */
const LONGEST_BYTES = 200

// Win32 naming conventions: reserved with any extension, digits also as superscripts.
const RESERVED = /^(con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³]|conin\$|conout\$)(?=\.|$)/i
// Beside what Windows refuses: what turns the direction of text, so that `fdp.exe` looks like `exe.pdf`.
const UNSAFE = /[<>:"/\\|?*\x00-\x1f\x7f\u200e\u200f\u202a-\u202e\u2066-\u2069\ufffe\uffff]/g
const LONE_SURROGATE = /[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/g
// Names of our own unfinished files.
const OURS = /\.part(\.json)?$/i

/** A name that every file system takes and no shell or path can misread; as close to `name` as that allows. */
export function safeFileName(name: string): string {
  const clean = name
    .replace(LONE_SURROGATE, '_')
    .replace(UNSAFE, '_')
    .replace(OURS, '$&_')
    .replace(/^ +|[ .]+$/g, '')
  const named = clean === '' ? 'file' : clean
  return withinBytes(RESERVED.test(named) ? `_${named}` : named)
}

/** `name`, or `name (2)` and so on: the first that `taken` does not hold. Compared as Windows and macOS do. */
export function uniqueName(name: string, taken: (folded: string) => boolean): string {
  const [stem, extension] = split(name)
  for (let number = 1; ; number++) {
    const candidate = number === 1 ? name : `${stem} (${number})${extension}`
    if (!taken(foldedName(candidate))) return candidate
  }
}

/** Equal for names that a file system may hold to be the same. */
export function foldedName(name: string): string {
  return name.normalize('NFC').toLowerCase().normalize('NFC')
}

/** The key without its `openapi<uuid>-`, for a document that does not tell the name. */
export function nameInKey(key: string): string {
  return /^openapi[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}-(.+)$/is.exec(key)?.[1] ?? key
}

function split(name: string): [string, string] {
  const dot = name.lastIndexOf('.')
  return dot > 0 && name.length - dot <= 16 ? [name.slice(0, dot), name.slice(dot)] : [name, '']
}

function withinBytes(name: string): string {
  if (bytesOf(name) <= LONGEST_BYTES) return name
  const [stem, extension] = split(name)
  const room = LONGEST_BYTES - bytesOf(extension)
  let [kept, used] = ['', 0]
  for (const point of stem) {
    used += bytesOf(point)
    if (used > room) break
    kept += point
  }
  return kept.replace(/[ .]+$/, '') + extension
}

function bytesOf(text: string): number {
  return new TextEncoder().encode(text).length
}
