/**
 * The program of a child process that turns one job after another into pixels. Everything in a job came from strangers:
 * whatever happens here, the server only loses a child. Bytes come on standard input and never by path.
 */
import { createHash } from 'node:crypto'
import { readSync } from 'node:fs'
import { OssFailure } from '../oss/failure.ts'
import { isTrap } from './pdf.ts'
import { confineSharp, type RenderJob, renderImage } from './render-image.ts'
import type { JobHeader, RendererMessage, RendererSettings, RenderReply } from './render-job.ts'

const STDIN = 0
const KEPT_BYTES = 32 * 1024 * 1024

let room = Buffer.alloc(0)

const settings: RendererSettings = JSON.parse(process.argv[2] ?? '{}')
confineSharp(settings)
// A signal to the process group is for the server, which still waits for this job when it drains.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => undefined)
process.on('disconnect', () => process.exit(0))
process.on('message', async (header: JobHeader) => send(await reply(header)))
send({ kind: 'ready' })

async function reply({ size, sha256, operations }: JobHeader): Promise<RenderReply> {
  const { bytes, hash } = receive(size)
  // Whatever became of bytes that rotted says nothing of the image.
  if (sha256 !== undefined && hash !== sha256) return { kind: 'fault', message: 'the blob is not what was uploaded' }
  const rendered = await outcomeOf({ bytes, operations })
  // The gate reads this exit as a damaged image.
  if (rendered === 'trapped') process.exit(1)
  return rendered
}

async function outcomeOf(job: RenderJob): Promise<RenderReply | 'trapped'> {
  try {
    return { kind: 'image', ...(await renderImage(job, settings)) }
  } catch (error) {
    if (error instanceof OssFailure) {
      return { kind: 'failure', code: error.code, message: error.message, elements: error.elements }
    }
    return isTrap(error) ? 'trapped' : replyOfLibrary(error)
  }
}

/** Waiting holds nothing up: there is nothing else to do. The bytes are good until the next job. */
function receive(size: number): { bytes: Uint8Array; hash: string } {
  const bytes = roomFor(size)
  const hash = createHash('sha256')
  for (let filled = 0; filled < size; ) {
    const count = readSync(STDIN, bytes, filled, size - filled, null)
    // The server is gone.
    if (count === 0) process.exit(0)
    // While it is on its way, so that only the last piece is waited for.
    hash.update(bytes.subarray(filled, filled + count))
    filled += count
  }
  return { bytes, hash: hash.digest('hex') }
}

/** The same memory for one job after another: pages that are new take longer than the copy. */
function roomFor(size: number): Uint8Array<ArrayBuffer> {
  if (size > KEPT_BYTES) return Buffer.allocUnsafeSlow(size)
  if (size > room.length) room = Buffer.allocUnsafeSlow(size)
  return room.subarray(0, size)
}

/** Libraries throw plain errors about the image; any other class is a mistake of ours. */
function replyOfLibrary(error: unknown): RenderReply {
  if (!(error instanceof Error) || error.constructor !== Error) return { kind: 'fault', message: String(error) }
  const code = error.message.includes('exceeds pixel limit') ? 'ImageTooLarge' : 'ImageDamage'
  const failure = new OssFailure(code)
  return { kind: 'failure', code, message: failure.message, elements: failure.elements }
}

function send(message: RendererMessage): void {
  process.send?.(message)
}
