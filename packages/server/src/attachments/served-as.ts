import { contentDisposition } from '../http/content-disposition.ts'
import type { AttachmentRecord } from '../records/record-store.ts'

const INLINE = new Set(['image/jpeg', 'image/png', 'image/gif', 'image/webp', 'application/pdf'])

// Served under their own name, but only to be saved. What is neither here nor above leaves as plain bytes.
const SAVED =
  /^(audio|video)\/|^image\/(avif|bmp|heic|tiff)$|^text\/(plain|csv|markdown)$|^application\/(json|zip|ofd|msword|vnd\.(ms|openxmlformats)[\w.-]*|x-(7z|rar)-compressed)$/

/** The type and name that an attachment is given out with, whoever sends its bytes: nothing that could run is shown. */
export function servedAs({ contentType, fileName }: AttachmentRecord): {
  'content-type': string
  'content-disposition': string
} {
  const inline = INLINE.has(contentType)
  return {
    'content-type': inline || SAVED.test(contentType) ? contentType : 'application/octet-stream',
    'content-disposition': contentDisposition(inline ? 'inline' : 'attachment', fileName),
  }
}
