import sharp, { type Sharp } from 'sharp'
import { OssFailure } from '../oss/failure.ts'
import type { Crop, ImageFormat, ImageOperation, Quality, Resize, Rotate } from '../oss/process.ts'
import { cropBox, planResize, type Size, sameSize } from './geometry.ts'

/** An image that can be opened; its size is that of one frame, the right way up. */
export interface Picture extends Size {
  open: () => Sharp
  /** Absent when there is one frame. */
  animation?: Animation
}

export interface Animation {
  /** In milliseconds, one for each frame. */
  delay: number[]
  loop: number
}

/** OSS's: rotation holds the whole picture in memory. */
const MAX_ROTATED_SIDE = 4096
const WHITE = { r: 255, g: 255, b: 255, alpha: 1 }
const CLEAR = { r: 255, g: 255, b: 255, alpha: 0 }
/** Also what the quality of a source is taken to be, as in OSS's own example of `q_`. */
const DEFAULT_QUALITY = 80

/** Runs the chain from left to right and encodes the last picture, without any metadata. */
export async function applyOperations(
  source: Picture,
  operations: ImageOperation[],
  output: ImageFormat,
): Promise<Uint8Array> {
  let picture = source
  let pipeline: Sharp | undefined
  for (const operation of operations) {
    // sharp orders the steps of one pipeline itself, so each step but the last is settled first.
    if (pipeline && isGeometric(operation)) {
      picture = await settle(picture, pipeline)
      pipeline = undefined
    }
    pipeline ??= applyStep(picture, operation)
  }
  return encode(pipeline ?? picture.open(), { output, animation: source.animation, quality: qualityOf(operations) })
}

function isGeometric(operation: ImageOperation): operation is Resize | Crop | Rotate {
  return operation.name === 'resize' || operation.name === 'crop' || operation.name === 'rotate'
}

/** `undefined` when the operation leaves the pixels as they are. */
function applyStep(picture: Picture, operation: ImageOperation): Sharp | undefined {
  switch (operation.name) {
    case 'resize':
      return resize(picture, operation)
    case 'crop':
      return picture.open().extract(cropBox(picture, operation))
    case 'rotate':
      return rotate(picture, operation)
    default:
      return undefined
  }
}

function resize(picture: Picture, operation: Resize): Sharp | undefined {
  const { scaled, result } = planResize(picture, operation)
  if (sameSize(scaled, picture) && sameSize(result, picture)) return undefined
  // `fill` in sharp's sense: both sides are ours, so its own rounding never speaks.
  const pipeline = picture.open().resize({ ...scaled, fit: 'fill' })
  if (sameSize(scaled, result)) return pipeline
  const across = Math.abs(result.width - scaled.width)
  const down = Math.abs(result.height - scaled.height)
  const left = Math.floor(across / 2)
  const top = Math.floor(down / 2)
  if (operation.mode === 'fill') return pipeline.extract({ left, top, ...result })
  return pipeline.extend({ left, top, right: across - left, bottom: down - top, background: `#${operation.color}` })
}

function rotate(picture: Picture, { degrees }: Rotate): Sharp | undefined {
  if (Math.max(picture.width, picture.height) > MAX_ROTATED_SIDE) {
    throw new OssFailure('BadRequest', { message: 'Picture exceed the maximum allowable rotation range.' })
  }
  return degrees % 360 === 0 ? undefined : picture.open().rotate(degrees, { background: CLEAR })
}

async function settle(picture: Picture, pipeline: Sharp): Promise<Picture> {
  if (picture.animation) {
    // Raw pixels forget where frames end.
    const { data, info } = await pipeline.webp({ lossless: true, effort: 0 }).toBuffer({ resolveWithObject: true })
    const { width, height } = { width: info.width, height: info.pageHeight ?? info.height }
    return { ...picture, width, height, open: () => sharp(data, { pages: -1, limitInputPixels: false }) }
  }
  const { data, info } = await pipeline.raw().toBuffer({ resolveWithObject: true })
  const { width, height, channels } = info
  return { width, height, open: () => sharp(data, { raw: { width, height, channels }, limitInputPixels: false }) }
}

interface Encoding {
  output: ImageFormat
  animation: Animation | undefined
  quality: number
}

async function encode(pipeline: Sharp, { output, animation, quality }: Encoding): Promise<Uint8Array> {
  switch (output) {
    case 'jpg':
      return pipeline.flatten({ background: WHITE }).jpeg({ quality }).toBuffer()
    case 'png':
      return pipeline.png().toBuffer()
    case 'webp':
      return pipeline.webp({ quality, ...animation }).toBuffer()
    case 'gif':
      return pipeline.gif({ ...animation }).toBuffer()
    case 'avif':
      return pipeline.avif({ quality, effort: 2 }).toBuffer()
  }
}

function qualityOf(operations: ImageOperation[]): number {
  const asked = operations.findLast((operation): operation is Quality => operation.name === 'quality')
  if (!asked) return DEFAULT_QUALITY
  return asked.kind === 'absolute' ? asked.percent : Math.max(1, Math.round((DEFAULT_QUALITY * asked.percent) / 100))
}
