import { OssFailure } from '../oss/failure.ts'
import { type Crop, MAX_SIDE, type Resize, type ResizeMode } from '../oss/process.ts'

/** In pixels. */
export interface Size {
  width: number
  height: number
}

/** In pixels, from the upper left corner. */
export interface Box extends Size {
  left: number
  top: number
}

/**
 * `scaled` is what the whole picture becomes; the result is the part of it (`m_fill`) or the canvas around it (`m_pad`)
 * of size `result`, centred.
 */
export interface ResizePlan {
  scaled: Size
  result: Size
}

const MAX_RESULT_PIXELS = 16_777_216

/**
 * What OSS does when only one side would grow is not documented; we judge by the side that sets the scale, and
 * `m_fixed`, which has two scales, by either (OSS.md 3.1).
 */
export function planResize(source: Size, resize: Resize): ResizePlan {
  const { scaled, result } = unlimitedPlan(source, resize)
  const grows = scaled.width > source.width || scaled.height > source.height
  if (grows && resize.limited) return { scaled: source, result: source }
  // `m_fill` may scale far beyond what it keeps.
  if (grows) refuseHuge(scaled)
  if (!sameSize(result, source)) refuseHuge(result)
  return { scaled, result }
}

/** The box is clipped to the image; an origin outside is refused. */
export function cropBox(source: Size, crop: Crop): Box {
  const asked = {
    width: Math.min(crop.width ?? source.width, source.width),
    height: Math.min(crop.height ?? source.height, source.height),
  }
  const left = crop.x + Math.floor((source.width - asked.width) * shareOf(crop.gravity, WEST, EAST))
  const top = crop.y + Math.floor((source.height - asked.height) * shareOf(crop.gravity, NORTH, SOUTH))
  if (left >= source.width || top >= source.height) {
    throw new OssFailure('BadRequest', { message: "Advance cut's position is out of image." })
  }
  return {
    left,
    top,
    width: Math.min(asked.width, source.width - left),
    height: Math.min(asked.height, source.height - top),
  }
}

export function sameSize(one: Size, other: Size): boolean {
  return one.width === other.width && one.height === other.height
}

const WEST = ['nw', 'west', 'sw']
const EAST = ['ne', 'east', 'se']
const NORTH = ['nw', 'north', 'ne']
const SOUTH = ['sw', 'south', 'se']

function shareOf(gravity: string, none: string[], whole: string[]): number {
  return none.includes(gravity) ? 0 : whole.includes(gravity) ? 1 : 0.5
}

function unlimitedPlan(source: Size, resize: Resize): ResizePlan {
  const { width, height } = namedSides(source, resize)
  if (width === undefined && height === undefined) {
    const percent = resize.percent ?? 100
    return plain({ width: ratio(source.width, percent, 100), height: ratio(source.height, percent, 100) })
  }
  if (width !== undefined && height !== undefined) return inBox(source, { width, height }, resize.mode)
  if (resize.mode === 'lfit' || resize.mode === 'mfit') {
    return plain(width === undefined ? byHeight(source, height ?? 1) : byWidth(source, width))
  }
  // In the documentation 200×100 with m_fixed,h_100 becomes 100×100: a fixed box with one side given is a square.
  const side = width ?? height ?? 1
  return inBox(source, { width: side, height: side }, resize.mode)
}

/** `w_` and `h_` win over `l_` and `s_`. The long side is the one with the larger ratio of source to target. */
function namedSides(source: Size, resize: Resize): { width: number | undefined; height: number | undefined } {
  if (resize.width !== undefined || resize.height !== undefined) return { width: resize.width, height: resize.height }
  return source.width >= source.height
    ? { width: resize.long, height: resize.short }
    : { width: resize.short, height: resize.long }
}

function inBox(source: Size, box: Size, mode: ResizeMode): ResizePlan {
  const widthGoverns = box.width * source.height <= box.height * source.width
  const inside = widthGoverns ? byWidth(source, box.width) : byHeight(source, box.height)
  const outside = widthGoverns ? byHeight(source, box.height) : byWidth(source, box.width)
  switch (mode) {
    case 'lfit':
      return plain(inside)
    case 'mfit':
      return plain(outside)
    case 'fill':
      return { scaled: outside, result: box }
    case 'pad':
      return { scaled: inside, result: box }
    case 'fixed':
      return plain(box)
  }
}

function plain(size: Size): ResizePlan {
  return { scaled: size, result: size }
}

function byWidth(source: Size, width: number): Size {
  return { width, height: ratio(source.height, width, source.width) }
}

function byHeight(source: Size, height: number): Size {
  return { width: ratio(source.width, height, source.height), height }
}

/** `length × numerator / denominator`, half up, in whole numbers so that an exact half is one. */
function ratio(length: number, numerator: number, denominator: number): number {
  return Math.max(1, Math.floor((2 * length * numerator + denominator) / (2 * denominator)))
}

function refuseHuge({ width, height }: Size): void {
  if (width > MAX_SIDE || height > MAX_SIDE || width * height > MAX_RESULT_PIXELS) {
    throw new OssFailure('BadRequest', { message: 'The width or height of the target image is too large.' })
  }
}
