import type { OssFailure } from './failure.ts'

export interface ErrorContext {
  requestId: string
  /** The request's own Host header. */
  host: string
  now: number
}

/** The error body of OSS (OSS.md 1.6). Characters that XML 1.0 can't carry are written as U+FFFD. */
export function errorXml(failure: OssFailure, context: ErrorContext): string {
  const elements: [string, string][] = [
    ['Code', failure.wireCode],
    ['Message', failure.message],
    ['RequestId', context.requestId],
    ['HostId', context.host],
    ...Object.entries(failure.elements),
  ]
  if (failure.code === 'Expired') elements.push(['ServerTime', new Date(context.now).toISOString()])
  if (failure.ec) {
    elements.push(['EC', failure.ec], ['RecommendDoc', `https://api.aliyun.com/troubleshoot?q=${failure.ec}`])
  }
  const body = elements.map(([name, value]) => `  <${name}>${escapeXml(value)}</${name}>\n`).join('')
  return `<?xml version="1.0" encoding="UTF-8"?>\n<Error>\n${body}</Error>\n`
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

function escapeXml(text: string): string {
  return text
    .toWellFormed()
    .replace(/[\0-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]/g, '\ufffd')
    .replace(/[&<>"'\n\r\t]/g, (character) => ESCAPES[character] ?? character)
}
