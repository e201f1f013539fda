/** The little XML that OSS speaks: elements with text or with elements, no attributes that matter, no mixed content. */
export type XmlContent = string | number | readonly (readonly [name: string, content: XmlContent])[]

const HEAD = '<?xml version="1.0" encoding="UTF-8"?>\n'

/** A whole document with one root. */
export function xmlOf(root: string, content: XmlContent): string {
  return `${HEAD}${element(root, content, '')}`
}

function element(name: string, content: XmlContent, indent: string): string {
  if (!Array.isArray(content)) return `${indent}<${name}>${escapeXml(String(content))}</${name}>\n`
  const inside = content.map(([child, of]) => element(child, of, `${indent}  `)).join('')
  return `${indent}<${name}>\n${inside}${indent}</${name}>\n`
}

const ESCAPES: Record<string, string> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&apos;',
  '\n': '&#10;',
  '\r': '&#13;',
  '\t': '&#9;',
}

/** Characters that XML 1.0 can't carry are written as U+FFFD. */
export function escapeXml(text: string): string {
  return text
    .toWellFormed()
    .replace(/[\0-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]/g, '\ufffd')
    .replace(/[&<>"'\n\r\t]/g, (character) => ESCAPES[character] ?? character)
}

/** What stands in each element of that name, as it came; elements of one name do not nest in what OSS says. */
export function elementsOf(xml: string, name: string): string[] {
  const found: string[] = []
  const start = new RegExp(`<${name}(?:\\s[^<>]*)?/?>`, 'g')
  const end = `</${name}>`
  for (let tag = start.exec(xml); tag !== null; tag = start.exec(xml)) {
    if (tag[0].endsWith('/>')) {
      found.push('')
      continue
    }
    const to = xml.indexOf(end, start.lastIndex)
    if (to === -1) break
    found.push(xml.slice(start.lastIndex, to))
    start.lastIndex = to + end.length
  }
  return found
}

/** The text of the first element of that name. */
export function textOf(xml: string, name: string): string | undefined {
  const [content] = elementsOf(xml, name)
  return content === undefined ? undefined : unescapeXml(content.trim())
}

const NAMED: Record<string, string> = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'" }

function unescapeXml(text: string): string {
  return text.replace(/&(?:#x([0-9a-f]{1,6})|#(\d{1,7})|(\w+));/gi, (reference, hex, decimal, name: string) => {
    if (name !== undefined) return NAMED[name] ?? reference
    const point = hex === undefined ? Number(decimal) : Number.parseInt(hex, 16)
    return point <= 0x10ffff ? String.fromCodePoint(point) : reference
  })
}
