/**
 * The program of a child process that turns one job after another into pixels. Everything in a job came from strangers:
 * whatever happens here, the server only loses a child. Bytes come on standard input and never by path.
 */
import { readSync } from 'node:fs'
import { OssFailure } from '../oss/failure.ts'
import { isTrap } from './pdf.ts'
import { confineSharp, type RenderJob, renderImage } from './render-image.ts'
import type { JobHeader, RendererMessage, RendererSettings, RenderReply } from './render-job.ts'

const STDIN = 0

const settings: RendererSettings = JSON.parse(process.argv[2] ?? '{}')
confineSharp(settings)
// A signal to the process group is for the server, which still waits for this job when it drains.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => undefined)
process.on('disconnect', () => process.exit(0))
process.on('message', async (header: JobHeader) => send(await reply(header)))
send({ kind: 'ready' })

async function reply({ size, sha256, operations }: JobHeader): Promise<RenderReply> {
  const bytes = receive(size)
  // On a thread of its own, beside the rendering: whatever became of bytes that rotted says nothing of the image.
  const hashed = sha256 === undefined ? undefined : crypto.subtle.digest('SHA-256', bytes)
  const rendered = await outcomeOf({ bytes, operations })
  if (hashed && Buffer.from(await hashed).toString('hex') !== sha256) {
    return { kind: 'fault', message: 'the blob is not what was uploaded' }
  }
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

/** Waiting holds nothing up: there is nothing else to do. */
function receive(size: number): Uint8Array<ArrayBuffer> {
  const bytes = Buffer.allocUnsafeSlow(size)
  for (let filled = 0; filled < size; ) {
    const count = readSync(STDIN, bytes, filled, size - filled, null)
    // The server is gone.
    if (count === 0) process.exit(0)
    filled += count
  }
  return bytes
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
