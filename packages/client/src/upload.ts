import { isObject } from './answers.ts'
import type { ApiCall } from './api.ts'
import { AttacheError } from './errors.ts'
import { counted, type UploadOptions, type UploadSource, uploadForm } from './upload-form.ts'
import { PATHS, type UploadedAttachment } from './wire.ts'
import { uploadByXhr } from './xhr.ts'

export interface UploadCallOptions {
  /** For one try; from the last bytes that left, where progress is told. */
  timeoutMilliseconds: number
  /** Whether `fetch` is the platform's, which in a browser tells no progress. */
  plainFetch: boolean
}

/** The call that sends one file. */
export function uploadCall(source: UploadSource, given: UploadOptions, options: UploadCallOptions): ApiCall {
  const form = uploadForm(source, given)
  const { onProgress, signal } = given
  const headers = { 'content-type': form.contentType }
  const call: ApiCall = {
    operation: 'upload',
    path: PATHS.upload,
    init: { method: 'POST', headers },
    body: () => ({ body: form.blob }),
    // The server may have stored what it didn't answer: twice would be two attachments.
    repeatable: 'unsent',
    timeoutMilliseconds: options.timeoutMilliseconds,
    signal,
  }
  if (onProgress === undefined) return call
  if (options.plainFetch && typeof XMLHttpRequest === 'function') {
    return {
      ...call,
      fetch: (url, init, moved) => uploadByXhr(url, form, { signal: init.signal, onProgress: andMoved(moved) }),
    }
  }
  return {
    ...call,
    init: { method: 'POST', headers: { ...headers, 'content-length': String(form.blob.size) } },
    body: (moved) => ({ body: counted(form.blob, andMoved(moved)), duplex: 'half' }),
  }

  function andMoved(moved: () => void): NonNullable<UploadOptions['onProgress']> {
    return (sent) => {
      moved()
      onProgress?.(sent)
    }
  }
}

export function uploadedOf(answer: unknown): UploadedAttachment {
  const value = isObject(answer) ? answer['value'] : undefined
  if (!isObject(value) || typeof value['key'] !== 'string' || typeof value['fileId'] !== 'string') {
    throw new AttacheError('the answer holds no key and fileId', { kind: 'protocol', operation: 'upload' })
  }
  const { key, fileId, fileName, empty } = value
  return { key, fileId, fileName: typeof fileName === 'string' ? fileName : '', empty: empty === true }
}
