import type { UploadForm, UploadOptions } from './upload-form.ts'

/**
 * A browser's `fetch` does not tell how far an upload is; its XMLHttpRequest does. Answers like a `fetch`, so that errors and
 * retries stay in one place.
 */
export function uploadByXhr(
  url: string,
  { contentType, blob }: UploadForm,
  {
    signal,
    onProgress,
  }: { signal: AbortSignal | null | undefined; onProgress: NonNullable<UploadOptions['onProgress']> },
): Promise<Response> {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest()
    const abort = () => request.abort()
    request.open('POST', url)
    request.setRequestHeader('content-type', contentType)
    request.responseType = 'arraybuffer'
    request.upload.onprogress = ({ loaded, total }) => onProgress({ bytes: loaded, total })
    request.onload = () => {
      const { status, response } = request
      const headers = new Headers()
      for (const line of request.getAllResponseHeaders().trim().split(/\r\n/)) {
        const colon = line.indexOf(':')
        if (colon > 0) headers.append(line.slice(0, colon), line.slice(colon + 1).trim())
      }
      resolve(new Response(status === 204 ? null : response, { status, headers }))
    }
    request.onerror = () => reject(new TypeError('the request failed'))
    request.onabort = () => reject(new DOMException('aborted', 'AbortError'))
    request.onloadend = () => signal?.removeEventListener('abort', abort)
    if (signal?.aborted) return reject(signal.reason)
    signal?.addEventListener('abort', abort, { once: true })
    request.send(blob)
  })
}
