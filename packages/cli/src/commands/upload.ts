import { stat } from 'node:fs/promises'
import { basename } from 'node:path'
import { buffer } from 'node:stream/consumers'
import type { AttacheError, NodeClient, UploadedAttachment, UploadOptions } from '@attache/client/node'
import { textOf, wholeOf } from '../arguments.ts'
import type { Context } from '../context.ts'
import { eachOf } from '../each.ts'
import { EXIT, type ExitCode, exitCodeOf, worst } from '../exit-codes.ts'
import { CliError, isClientError, toldOf } from '../failures.ts'
import { progress } from '../progress.ts'
import { session } from '../session.ts'
import { printable } from '../words.ts'

interface Source {
  path: string
  name: string
  /** In bytes. */
  size: number
  send(client: NodeClient, options: UploadOptions): Promise<UploadedAttachment>
}

/** `upload FILE…` */
export async function upload(context: Context): Promise<ExitCode> {
  const { output, say, values, signal } = context
  const concurrency = wholeOf(values, 'concurrency', say) ?? 4
  const client = await session(context)
  const sources = await sourcesOf(context)
  const shown = progress(context)
  shown.expect({ files: sources.length, bytes: sources.reduce((sum, { size }) => sum + size, 0) })
  const codes = new Set<ExitCode>()
  let uploaded = 0
  try {
    await eachOf(sources, concurrency, async (source) => {
      const { path, name, size } = source
      try {
        const onProgress: UploadOptions['onProgress'] = ({ bytes, total }) =>
          shown.file(path, Math.max(0, bytes - (total - size)), size)
        const { fileId: id, key, fileName } = await source.send(client, { name, signal, onProgress })
        shown.done(path, size)
        uploaded++
        output.result(
          { type: 'uploaded', path, id, key, fileName: fileName || name, size },
          `${id}:${output.shown(key)}`,
        )
      } catch (error) {
        if (signal.aborted || !isClientError(error) || error.kind === 'unauthorized') throw error
        shown.done(path, size)
        codes.add(exitCodeOf(error))
        output.failure(toldOf(error, say), printable(path))
        if (mayBeStored(error))
          output.note(
            say({
              en: '  it may have been stored: nothing tells that it was not, so it was not sent again',
              zh: '  可能已保存：无法确认未保存，因此没有重发',
            }),
          )
      }
    })
  } finally {
    shown.stop()
  }
  return uploaded > 0 && codes.size > 0 ? worst([...codes, EXIT.partial]) : worst(codes)
}

/** A server that says when to try again has not stored it. */
function mayBeStored({ kind, unsent, retryAfterSeconds }: AttacheError): boolean {
  return STORED_PERHAPS.has(kind) && unsent !== true && retryAfterSeconds === undefined
}

const STORED_PERHAPS = new Set(['network', 'timeout', 'protocol', 'unavailable', 'server'])

/** All of them are looked at before the first is sent. */
async function sourcesOf({ operands, values, say, stdin }: Context): Promise<Source[]> {
  const name = textOf(values, 'name')
  if (operands.length === 0)
    throw new CliError(say({ en: 'name at least one file: upload FILE…', zh: '请至少给出一个文件：upload 文件…' }))
  if (name !== undefined && operands.length > 1)
    throw new CliError(say({ en: '--name goes with a single file', zh: '--name 只能用于单个文件' }))
  return Promise.all(
    operands.map(async (path): Promise<Source> => {
      if (path === '-') {
        if (name === undefined)
          throw new CliError(
            say({
              en: 'give what comes from stdin a name: --name 发票.pdf',
              zh: '请用 --name 为标准输入命名，如 --name 发票.pdf',
            }),
          )
        const bytes = new Blob([await buffer(stdin)])
        return { path, name, size: bytes.size, send: (client, options) => client.upload(bytes, options) }
      }
      const facts = await stat(path).catch((error) => unreadable(path, error))
      if (!facts.isFile()) throw new CliError(say({ en: `${path} is not a file`, zh: `${path} 不是文件` }))
      return {
        path,
        name: name ?? basename(path),
        size: facts.size,
        send: (client, options) => client.uploadFile(path, options),
      }
    }),
  )

  function unreadable(path: string, cause: unknown): never {
    throw new CliError(say({ en: `can't read ${path}: nothing was sent`, zh: `无法读取 ${path}：未发出任何请求` }), {
      cause,
    })
  }
}
