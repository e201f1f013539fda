import sharp, { type Metadata } from 'sharp'
import { OssFailure } from '../oss/failure.ts'
import type { ImageFormat, ImageOperation } from '../oss/process.ts'
import { CONTENT_TYPES, type SourceFormat, sniffFormat } from './formats.ts'
import { applyOperations, type Picture } from './operations.ts'
import { renderFirstPage } from './pdf.ts'
import type { RendererSettings } from './render-job.ts'
import type { RenderedImage } from './thumbnails.ts'

/** One opened source; `header` is absent for a PDF. */
interface Source extends Picture {
  format: SourceFormat
  header?: Metadata
}

const MAX_AVIF_PIXELS = 12_000_000
/** A longer animation shows its first frame. */
const MAX_FRAMES = 100

export interface RenderJob {
  bytes: Uint8Array
  operations: ImageOperation[]
}

/** Blocks every reader of files and formats but those we serve; once in a process, before anything is opened. */
export function confineSharp({ avif }: RendererSettings): void {
  sharp.cache(false)
  sharp.concurrency(1)
  sharp.block({ operation: ['VipsForeignLoad'] })
  const readers = ['JpegBuffer', 'PngBuffer', 'WebpBuffer', 'NsgifBuffer', ...(avif ? ['HeifBuffer'] : [])]
  sharp.unblock({ operation: readers.map((reader) => `VipsForeignLoad${reader}`) })
}

export async function renderImage(job: RenderJob, settings: RendererSettings): Promise<RenderedImage> {
  const source = await openSource(job, settings)
  if (job.operations.some(({ name }) => name === 'info')) {
    return { body: describe(source, job.bytes.byteLength), contentType: CONTENT_TYPES.json }
  }
  const output = outputFormat(source.format, job.operations)
  const operations = source.format === 'gif' ? job.operations.map(neverEnlarging) : job.operations
  return { body: await applyOperations(source, operations, output), contentType: CONTENT_TYPES[output] }
}

async function openSource({ bytes, operations }: RenderJob, settings: RendererSettings): Promise<Source> {
  const format = sniffFormat(bytes)
  if (format === undefined || (format === 'avif' && !settings.avif)) throw new OssFailure('BadRequest')
  if (format === 'pdf') {
    const { data, width, height } = await renderFirstPage(bytes)
    return { format, width, height, open: () => sharp(data, { raw: { width, height, channels: 4 } }).removeAlpha() }
  }
  const limitInputPixels = format === 'avif' ? Math.min(MAX_AVIF_PIXELS, settings.maxPixels) : settings.maxPixels
  const header = await sharp(bytes, { limitInputPixels, pages: 1 }).metadata()
  const autoOrient = !operations.some((operation) => operation.name === 'auto-orient' && !operation.enabled)
  const animation = animationOf(header, limitInputPixels)
  if (animation && keepsFrames(operations, outputFormat(format, operations))) {
    const open = () => sharp(bytes, { limitInputPixels, pages: -1, failOn: 'error' })
    return { format, header, width: header.width, height: header.height, open, animation }
  }
  const { width, height } = autoOrient ? header.autoOrient : header
  const open = () => sharp(bytes, { limitInputPixels, pages: 1, failOn: 'error', autoOrient })
  return { format, header, width, height, open }
}

function animationOf({ pages = 1, width, height, delay, loop }: Metadata, maxPixels: number): Picture['animation'] {
  if (pages < 2 || pages > MAX_FRAMES || width * height * pages > maxPixels) return undefined
  return { delay: delay ?? [], loop: loop ?? 0 }
}

/** Scaling by percent makes a GIF still on OSS; rotation of frames is beyond libvips. */
function keepsFrames(operations: ImageOperation[], output: ImageFormat): boolean {
  if (output !== 'gif' && output !== 'webp') return false
  return !operations.some(
    (operation) => operation.name === 'rotate' || (operation.name === 'resize' && isByPercent(operation)),
  )
}

function isByPercent(resize: Extract<ImageOperation, { name: 'resize' }>): boolean {
  return (resize.width ?? resize.height ?? resize.long ?? resize.short) === undefined
}

function outputFormat(source: SourceFormat, operations: ImageOperation[]): ImageFormat {
  const asked = operations.findLast((operation) => operation.name === 'format')
  return asked?.format ?? (source === 'pdf' ? 'png' : source)
}

/** "GIF格式的图片不支持放大" (OSS.md 3.2). */
function neverEnlarging(operation: ImageOperation): ImageOperation {
  return operation.name === 'resize' ? { ...operation, limited: true } : operation
}

/** Sizes are the stored ones, as on OSS: `Orientation` says how to turn them. */
function describe(source: Source, fileSize: number): Uint8Array {
  const { width, height, orientation } = source.header ?? { ...source, orientation: undefined }
  const facts = {
    FileSize: fileSize,
    Format: source.format,
    ImageHeight: height,
    ImageWidth: width,
    ...(orientation === undefined ? {} : { Orientation: orientation }),
  }
  const entries = Object.entries(facts).map(([name, value]) => [name, { value: String(value) }])
  return Buffer.from(JSON.stringify(Object.fromEntries(entries)))
}
