import { AttacheError } from './errors.ts'

/** Bytes in memory, or a `Blob`, whose bytes may lie in a file. */
export type UploadSource = Blob | ArrayBuffer | Uint8Array

export interface UploadOptions {
  /** Full file name with its extension; needed unless the source is a `File`. */
  name?: string
  /** Default: the blob's own, else `application/octet-stream`. */
  type?: string
  signal?: AbortSignal
  /** Called as bytes leave; the form around the file counts as well. */
  onProgress?: (sent: { bytes: number; total: number }) => void
}

/** A multipart body as one blob: its length is known, it can be sent twice, and any `fetch` takes it. */
export interface UploadForm {
  contentType: string
  blob: Blob
}

export function uploadForm(source: UploadSource, { name: given, type }: UploadOptions): UploadForm {
  const name = given ?? (source instanceof Blob && 'name' in source ? String(source.name) : '')
  if (name === '') throw new AttacheError('give the file a name', { kind: 'usage', operation: 'upload' })
  const fileType = type || (source instanceof Blob && source.type) || 'application/octet-stream'
  const boundary = `attache-${[...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, '0')).join('')}`
  const head = [
    `--${boundary}\r\nContent-Disposition: form-data; name="name"\r\n\r\n${name}\r\n`,
    `--${boundary}\r\nContent-Disposition: form-data; name="file"; filename="${quotable(name)}"\r\n`,
    `Content-Type: ${fileType.replace(/[^\x20-\x7e]/g, '')}\r\n\r\n`,
  ].join('')
  const blob = new Blob([head, source as BlobPart, `\r\n--${boundary}--\r\n`])
  return { contentType: `multipart/form-data; boundary=${boundary}`, blob }
}

/** As browsers write it into a form (WHATWG HTML, multipart form data). */
function quotable(name: string): string {
  return name.replace(/["\r\n]/g, (character) => encodeURIComponent(character))
}

const STEP_BYTES = 64 * 1024

/** The blob as a stream that tells how much of it was taken. */
export function counted(blob: Blob, onProgress: NonNullable<UploadOptions['onProgress']>): ReadableStream<Uint8Array> {
  const reader = blob.stream().getReader()
  let waiting = new Uint8Array()
  let bytes = 0
  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        if (waiting.length === 0) {
          const { done, value } = await reader.read()
          if (done) return controller.close()
          waiting = value
        }
        const step = waiting.subarray(0, STEP_BYTES)
        waiting = waiting.subarray(step.length)
        bytes += step.length
        controller.enqueue(step)
        onProgress({ bytes, total: blob.size })
      },
      cancel: (reason) => reader.cancel(reason),
    },
    { highWaterMark: 0 },
  )
}
