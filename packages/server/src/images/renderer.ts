/**
 * The program of a child process that turns one job after another into pixels. Everything in a job came from strangers:
 * whatever happens here, the server only loses a child. Bytes come on standard input and never by path.
 */
import { once } from 'node:events'
import { setPriority } from 'node:os'
import { OssFailure } from '../oss/failure.ts'
import { isTrap } from './pdf.ts'
import { confineSharp, renderImage } from './render-image.ts'
import type { JobHeader, RendererMessage, RendererSettings, RenderReply } from './render-job.ts'

const BACKGROUND_PRIORITY = 10

const settings: RendererSettings = JSON.parse(process.argv[2] ?? '{}')
confineSharp(settings)
lowerPriority()
// A signal to the process group is for the server, which still waits for this job when it drains.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => undefined)
process.on('disconnect', () => process.exit(0))
process.on('message', async (header: JobHeader) => send(await reply(header)))
send({ kind: 'ready' })

async function reply({ size, operations }: JobHeader): Promise<RenderReply> {
  try {
    return { kind: 'image', ...(await renderImage({ bytes: await receive(size), operations }, settings)) }
  } catch (error) {
    if (error instanceof OssFailure) {
      return { kind: 'failure', code: error.code, message: error.message, elements: error.elements }
    }
    // The gate reads this exit as a damaged image.
    if (isTrap(error)) process.exit(1)
    return replyOfLibrary(error)
  }
}

async function receive(size: number): Promise<Uint8Array> {
  const bytes = Buffer.allocUnsafeSlow(size)
  let filled = 0
  while (filled < size) {
    const chunk: Buffer | null = process.stdin.read()
    if (chunk) filled += chunk.copy(bytes, filled)
    else await once(process.stdin, 'readable')
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

function lowerPriority(): void {
  try {
    setPriority(BACKGROUND_PRIORITY)
  } catch (error) {
    // Some containers forbid it; the pictures are right all the same.
    if (!(error instanceof Error)) throw error
  }
}

function send(message: RendererMessage): void {
  process.send?.(message)
}
