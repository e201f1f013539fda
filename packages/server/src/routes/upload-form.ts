import type { IncomingMessage } from 'node:http'
import type { Readable } from 'node:stream'
import { Busboy, type BusboyInstance } from '@fastify/busboy'
import type { IncomingFile } from '../attachments/attachments.ts'
import { Failure } from '../errors.ts'

export interface UploadForm {
  /** Hands the `file` part to `receive` while it comes in, and gives what that gives. */
  take<T>(receive: (file: IncomingFile) => Promise<T>): Promise<T>
}

const MOST_PARTS = 20
const FIELD_BYTES = 64 * 1024

/**
 * Reads the parts `name` and `file`, in either order, straight off the socket. A `file` part is a file with or without a
 * file name of its own; parts of other names are passed over, a second file is refused.
 */
export function readUploadForm(request: IncomingMessage): UploadForm {
  const parser = parserFor(request)
  const name = Promise.withResolvers<string>()
  // It may fail before anybody waits for it.
  name.promise.catch(() => {})

  return {
    take(receive) {
      return new Promise((resolve, reject) => {
        let incoming: Readable | undefined
        let fileName: string | undefined

        const fail = (error: Error) => {
          name.reject(error)
          incoming?.destroy(error)
          request.unpipe(parser)
          reject(error)
        }
        parser.on('file', (_field: string, body: Readable) => {
          incoming = body
          // It may be destroyed before anybody reads it.
          body.on('error', () => {})
          receive({ body, name: name.promise }).then(resolve, fail)
        })
        parser.on('field', (field: string, value: string) => {
          if (field === 'name') fileName ??= value
        })
        parser.on('filesLimit', () => fail(new Failure('MalformedRequest', { message: '一次只能上传一个file' })))
        parser.on('partsLimit', () =>
          fail(new Failure('MalformedRequest', { message: `表单不能超过${MOST_PARTS}个部分` })),
        )
        parser.on('finish', () => {
          const missing = [fileName === undefined && 'name', incoming === undefined && 'file'].filter(
            (part) => part !== false,
          )
          if (missing.length > 0) fail(missingParts(missing))
          else decodeName(fileName ?? '', name)
        })
        parser.on('error', (error: Error) => fail(new Failure('MalformedRequest', { cause: error })))
        request.on('aborted', () => fail(new Failure('MalformedRequest', { message: '上传在完成之前被中断' })))
        request.on('error', fail)
        request.pipe(parser)
      })
    },
  }
}

function parserFor(request: IncomingMessage): BusboyInstance {
  try {
    return new Busboy({
      headers: { ...request.headers, 'content-type': request.headers['content-type'] ?? '' },
      // Bytes are kept as latin1 and decoded by us, strictly: a name in GBK is refused, not stored as something else.
      defCharset: 'latin1',
      isPartAFile: (field) => field === 'file',
      fileHwm: 256 * 1024,
      limits: { files: 1, parts: MOST_PARTS, fieldSize: FIELD_BYTES, headerPairs: 64, headerSize: 16 * 1024 },
    })
  } catch (cause) {
    throw new Failure('MalformedRequest', { message: 'multipart/form-data缺少boundary', cause })
  }
}

function decodeName(latin1: string, name: { resolve(text: string): void; reject(error: Error): void }): void {
  try {
    name.resolve(new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(Buffer.from(latin1, 'latin1')))
  } catch (cause) {
    name.reject(new Failure('InvalidName', { details: [{ path: 'name', message: '必须为UTF-8编码' }], cause }))
  }
}

function missingParts(parts: string[]): Failure {
  return new Failure('MissingPart', { details: parts.map((path) => ({ path, message: `缺少${path}参数` })) })
}
