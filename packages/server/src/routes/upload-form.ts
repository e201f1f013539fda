import type { IncomingMessage } from 'node:http'
import type { Readable } from 'node:stream'
import { Busboy, type BusboyInstance } from '@fastify/busboy'
import type { IncomingFile } from '../attachments/attachments.ts'
import { Failure } from '../errors.ts'
import { gathered } from './gathered-body.ts'

export interface UploadForm {
  /** Hands the `file` part to `receive` while it comes in, and gives what that gives. */
  take<T>(receive: (file: IncomingFile) => Promise<T>): Promise<T>
}

const MOST_PARTS = 20
const MOST_OTHER_BYTES = 1024 * 1024
// Beside the file: other parts, the heads of all, and what stands before the first and behind the last.
const MOST_FORM_BYTES = 2 * 1024 * 1024

/**
 * Reads the parts `name` and `file`, in either order, straight off the socket. A `file` part is a file with or without a
 * file name of its own; parts of other names are passed over, a second file is refused.
 */
export function readUploadForm(request: IncomingMessage, maxFileBytes: number): UploadForm {
  const parser = parserFor(request)
  const name = Promise.withResolvers<string>()
  // It may fail before anybody waits for it.
  name.promise.catch(() => {})

  return {
    take(receive) {
      return new Promise((resolve, reject) => {
        let incoming: Readable | undefined
        let nameBytes: Promise<Buffer> | undefined
        let otherBytes = 0
        let bodyBytes = 0
        let openParts = 0
        let [passed, finished] = [false, false]

        // About a part whose head never ends the parser says nothing. What has gone through it whole, with every part
        // that we know of read to its end, is a form by now or never: a waiting upload would hold its file for good.
        const settle = () => {
          if (!passed || openParts > 0) return
          setImmediate(() => setImmediate(() => finished || fail(new Failure('MalformedRequest'))))
        }
        const fail = (error: Error) => {
          name.reject(error)
          incoming?.destroy(error)
          request.unpipe(parser).off('data', countAll)
          reject(error)
        }
        const count = (chunk: Buffer) => {
          otherBytes += chunk.length
          if (otherBytes > MOST_OTHER_BYTES) fail(new Failure('BodyTooLarge'))
        }
        // The parser says nothing of bytes that belong to no part.
        const countAll = (chunk: Buffer) => {
          bodyBytes += chunk.length
          if (bodyBytes > maxFileBytes + MOST_FORM_BYTES) fail(new Failure('BodyTooLarge'))
        }
        parser.on('file', (field: string, body: Readable) => {
          // It may be destroyed before anybody reads it.
          body.on('error', () => {})
          openParts++
          body.once('end', () => {
            openParts--
            settle()
          })
          if (field === 'file' && incoming !== undefined) {
            fail(new Failure('MalformedRequest', { message: '一次只能上传一个file' }))
          } else if (field === 'file') {
            incoming = body
            receive({ body: gathered(body), name: name.promise }).then(resolve, fail)
          } else {
            body.on('data', count)
            if (field === 'name') nameBytes ??= bytesOf(body)
          }
        })
        parser.on('filesLimit', () =>
          fail(new Failure('MalformedRequest', { message: `表单不能超过${MOST_PARTS}个部分` })),
        )
        parser.on('prefinish', () => {
          passed = true
          settle()
        })
        parser.on('finish', () => {
          finished = true
          const missing = [nameBytes === undefined && 'name', incoming === undefined && 'file'].filter(Boolean)
          if (nameBytes === undefined || missing.length > 0) fail(missingParts(missing as string[]))
          else nameBytes.then(decoded).then(name.resolve, name.reject)
        })
        parser.on('error', (error: Error) => fail(new Failure('MalformedRequest', { cause: error })))
        request.on('aborted', () => fail(new Failure('MalformedRequest', { message: '上传在完成之前被中断' })))
        request.on('error', fail)
        request.on('data', countAll).pipe(parser)
      })
    },
  }
}

function parserFor(request: IncomingMessage): BusboyInstance {
  try {
    return new Busboy({
      headers: { ...request.headers, 'content-type': request.headers['content-type'] ?? '' },
      // Every part comes as its bytes: the parser would decode text by whatever charset a part names, or lose what is none.
      isPartAFile: () => true,
      fileHwm: 256 * 1024,
      limits: { files: MOST_PARTS, headerPairs: 64, headerSize: 16 * 1024 },
    })
  } catch (cause) {
    throw new Failure('MalformedRequest', { message: 'multipart/form-data缺少boundary', cause })
  }
}

function bytesOf(body: Readable): Promise<Buffer> {
  return new Promise((resolve) => {
    const chunks: Buffer[] = []
    body.on('data', (chunk: Buffer) => chunks.push(chunk))
    body.on('end', () => resolve(Buffer.concat(chunks)))
  })
}

/** Strictly UTF-8, whatever charset the part names: a name in GBK is refused, not stored as something else. */
function decoded(bytes: Buffer): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
  } catch (cause) {
    throw new Failure('InvalidName', { details: [{ path: 'name', message: '必须为UTF-8编码' }], cause })
  }
}

function missingParts(parts: string[]): Failure {
  return new Failure('MissingPart', { details: parts.map((path) => ({ path, message: `缺少${path}参数` })) })
}
