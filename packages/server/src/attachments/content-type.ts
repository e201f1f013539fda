const UNKNOWN = 'application/octet-stream'

/** Types that no byte pattern tells, or only as the container that they are in. */
const BY_EXTENSION: Record<string, string> = {
  csv: 'text/csv',
  doc: 'application/msword',
  docx: 'application/vnd.openxmlformats-officedocument.wordprocessingml.document',
  json: 'application/json',
  md: 'text/markdown',
  ofd: 'application/ofd',
  ppt: 'application/vnd.ms-powerpoint',
  pptx: 'application/vnd.openxmlformats-officedocument.presentationml.presentation',
  txt: 'text/plain',
  xls: 'application/vnd.ms-excel',
  xlsx: 'application/vnd.openxmlformats-officedocument.spreadsheetml.sheet',
  xml: 'application/xml',
}

const CONTAINERS = new Set(['application/zip', 'application/x-cfb', 'application/xml', 'text/xml'])

/** The type by the bytes; by the name only where bytes can't tell. A name never makes an image, a page or a script of what is none. */
export async function contentTypeOf(head: Uint8Array, fileName: string): Promise<string> {
  // Loaded by the first upload: the patterns are as many modules as half of the service.
  const { fileTypeFromBuffer } = await import('file-type')
  const sniffed = await fileTypeFromBuffer(head)
  if (sniffed !== undefined && !CONTAINERS.has(sniffed.mime)) return sniffed.mime
  const extension = fileName.slice(fileName.lastIndexOf('.') + 1).toLowerCase()
  // A file may be called `x.constructor`.
  const named = Object.hasOwn(BY_EXTENSION, extension) ? BY_EXTENSION[extension] : undefined
  return named ?? sniffed?.mime ?? UNKNOWN
}
