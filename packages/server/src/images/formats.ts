import type { ImageFormat } from '../oss/process.ts'

export type SourceFormat = ImageFormat | 'pdf'

export const CONTENT_TYPES: Record<ImageFormat | 'json', string> = {
  jpg: 'image/jpeg',
  png: 'image/png',
  webp: 'image/webp',
  gif: 'image/gif',
  avif: 'image/avif',
  json: 'application/json',
}

const SOURCE_TYPES = new Set(['image/jpeg', 'image/png', 'image/apng', 'image/gif', 'image/webp', 'application/pdf'])
/** Where PDF readers look for the header. */
const PDF_HEADER_WINDOW = 1024

/** Whether a record with this content type is worth starting a child for. */
export function isSourceType(contentType: string, { avif }: { avif: boolean }): boolean {
  return SOURCE_TYPES.has(contentType) || (avif && contentType === 'image/avif')
}

/** By the bytes alone: the content type of a record is somebody's claim. `undefined` is whatever we do not read. */
export function sniffFormat(bytes: Uint8Array): SourceFormat | undefined {
  const head = Buffer.from(bytes.buffer, bytes.byteOffset, Math.min(bytes.byteLength, PDF_HEADER_WINDOW)).toString(
    'latin1',
  )
  if (head.startsWith('\xff\xd8\xff')) return 'jpg'
  if (head.startsWith('\x89PNG\r\n\x1a\n')) return 'png'
  if (/^GIF8[79]a/.test(head)) return 'gif'
  if (/^RIFF.{4}WEBP/s.test(head)) return 'webp'
  // Only the brands of AV1: the same container holds HEVC, which is HEIC.
  if (/^.{4}ftypavi[fs]/s.test(head)) return 'avif'
  if (head.includes('%PDF-')) return 'pdf'
  return undefined
}
