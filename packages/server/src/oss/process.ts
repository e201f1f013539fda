import { OssFailure } from './failure.ts'

export type ImageOperation = Resize | Crop | Rotate | AutoOrient | Format | Quality | Info | Interlace

/** A side that was not given is absent. `percent` is used only when no side was given. */
export interface Resize {
  name: 'resize'
  mode: ResizeMode
  width?: number
  height?: number
  long?: number
  short?: number
  percent?: number
  /** `limit_1`, the default: the target is never larger than the source. */
  limited: boolean
  /** Six hexadecimal digits; paints what `m_pad` adds. */
  color: string
}

/** A side that was not given reaches to the edge of the image. */
export interface Crop {
  name: 'crop'
  width?: number
  height?: number
  x: number
  y: number
  gravity: Gravity
}

export interface Rotate {
  name: 'rotate'
  degrees: number
}

export interface AutoOrient {
  name: 'auto-orient'
  enabled: boolean
}

export interface Format {
  name: 'format'
  format: ImageFormat
}

/** `q_` is relative to the quality of the source, `Q_` is absolute. */
export interface Quality {
  name: 'quality'
  kind: 'relative' | 'absolute'
  percent: number
}

export interface Info {
  name: 'info'
}

export interface Interlace {
  name: 'interlace'
}

export type ResizeMode = (typeof RESIZE_MODES)[number]
export type Gravity = (typeof GRAVITIES)[number]
export type ImageFormat = 'jpg' | 'png' | 'webp' | 'gif' | 'avif'

export interface ProcessOptions {
  avif?: boolean
}

/** Ours: a longer chain has no honest use and each link costs a pass over the pixels. */
export const MAX_OPERATIONS = 10
export const MAX_SIDE = 16_384

const MAX_CROP_COORDINATE = 30_000
const MAX_PERCENT = 1_000
const RESIZE_MODES = ['lfit', 'mfit', 'fill', 'pad', 'fixed'] as const
const GRAVITIES = ['nw', 'north', 'ne', 'west', 'center', 'east', 'sw', 'south', 'se'] as const
const FORMATS: Record<string, ImageFormat> = { jpg: 'jpg', jpeg: 'jpg', png: 'png', webp: 'webp', gif: 'gif' }

/** Reads the value of `x-oss-process` (OSS.md 3). Whatever we do not do is refused, so no picture is silently a wrong one. */
export function parseProcess(process: string, options: ProcessOptions = {}): ImageOperation[] {
  const [service, ...texts] = process.split('/')
  if (service !== 'image') throw invalid('x-oss-process', process, 'Only image processing is supported')
  if (texts.length === 0) throw missing('operation')
  if (texts.length > MAX_OPERATIONS) {
    throw invalid('x-oss-process', process, `At most ${MAX_OPERATIONS} operations are supported`)
  }
  const operations = texts.map((text) => parseOperation(text, options))
  if (operations.length > 1 && operations.some(({ name }) => name === 'info')) {
    throw invalid('info', process, 'info must be the only operation')
  }
  return operations
}

function parseOperation(text: string, options: ProcessOptions): ImageOperation {
  const [name = '', ...parameters] = text.split(',')
  switch (name) {
    case 'resize':
      return parseResize(parameters)
    case 'crop':
      return parseCrop(parameters)
    case 'rotate':
      return { name, degrees: whole(single(name, parameters), name, [0, 360]) }
    case 'auto-orient':
      return { name, enabled: whole(single(name, parameters), name, [0, 1]) === 1 }
    case 'format':
      return { name, format: parseFormat(single(name, parameters), options) }
    case 'quality':
      return parseQuality(single(name, parameters))
    case 'interlace':
      whole(single(name, parameters), name, [0, 1])
      return { name }
    case 'info':
      if (parameters.length > 0) throw invalid(name, parameters.join(','), 'info takes no parameter')
      return { name }
    default:
      throw invalid('operation', name, 'Operation is not supported')
  }
}

function parseResize(parameters: string[]): Resize {
  const resize: Resize = { name: 'resize', mode: 'lfit', limited: true, color: 'FFFFFF' }
  for (const [key, value] of named('resize', parameters)) {
    if (key === 'm') resize.mode = oneOf(RESIZE_MODES, key, value)
    else if (key === 'w') resize.width = whole(value, key, [1, MAX_SIDE])
    else if (key === 'h') resize.height = whole(value, key, [1, MAX_SIDE])
    else if (key === 'l') resize.long = whole(value, key, [1, MAX_SIDE])
    else if (key === 's') resize.short = whole(value, key, [1, MAX_SIDE])
    else if (key === 'p') resize.percent = whole(value, key, [1, MAX_PERCENT])
    else if (key === 'limit') resize.limited = whole(value, key, [0, 1]) === 1
    else if (key === 'color') resize.color = parseColor(value)
    else throw invalid('resize', key, 'Parameter is not supported')
  }
  if (!resize.width && !resize.height && !resize.long && !resize.short && !resize.percent) throw missing('resize')
  return resize
}

function parseCrop(parameters: string[]): Crop {
  const crop: Crop = { name: 'crop', x: 0, y: 0, gravity: 'nw' }
  for (const [key, value] of named('crop', parameters)) {
    if (key === 'w') crop.width = whole(value, key, [1, MAX_CROP_COORDINATE])
    else if (key === 'h') crop.height = whole(value, key, [1, MAX_CROP_COORDINATE])
    else if (key === 'x') crop.x = whole(value, key, [0, MAX_CROP_COORDINATE])
    else if (key === 'y') crop.y = whole(value, key, [0, MAX_CROP_COORDINATE])
    else if (key === 'g') crop.gravity = oneOf(GRAVITIES, key, value)
    else throw invalid('crop', key, 'Parameter is not supported')
  }
  return crop
}

function parseQuality(parameter: string): Quality {
  const [[key, value] = ['', '']] = named('quality', [parameter])
  if (key !== 'q' && key !== 'Q') throw invalid('quality', key, 'Parameter is not supported')
  return { name: 'quality', kind: key === 'q' ? 'relative' : 'absolute', percent: whole(value, 'quality', [1, 100]) }
}

function parseFormat(value: string, { avif = false }: ProcessOptions): ImageFormat {
  const format = value === 'avif' && avif ? 'avif' : Object.hasOwn(FORMATS, value) ? FORMATS[value] : undefined
  if (!format) throw invalid('format', value, 'Format is not supported')
  return format
}

function parseColor(value: string): string {
  if (!/^[0-9a-f]{6}$/i.test(value)) throw invalid('color', value, 'Value must be six hexadecimal digits')
  return value
}

/** The pairs `k_v`. A key given twice has no defined meaning in OSS, so it is refused. */
function named(operation: string, parameters: string[]): Map<string, string> {
  const pairs = new Map<string, string>()
  for (const parameter of parameters) {
    const [, key, value] = /^([A-Za-z]+)_(.*)$/s.exec(parameter) ?? []
    if (key === undefined || value === undefined) throw invalid(operation, parameter, 'Parameter must be key_value')
    if (pairs.has(key)) throw invalid(operation, parameter, 'Parameter is given twice')
    pairs.set(key, value)
  }
  return pairs
}

function single(operation: string, [value, ...more]: string[]): string {
  if (value === undefined || value === '') throw missing(operation)
  if (more.length > 0) throw invalid(operation, more.join(','), 'Only one value is expected')
  return value
}

function whole(value: string, parameter: string, [least, most]: [number, number]): number {
  if (!/^[0-9]{1,9}$/.test(value)) throw invalid(parameter, value, 'Value must be digit')
  const number = Number(value)
  if (number < least || number > most) throw invalid(parameter, value, `Value must be between ${least} and ${most}`)
  return number
}

function oneOf<T extends string>(values: readonly T[], parameter: string, value: string): T {
  const found = values.find((known) => known === value)
  if (found === undefined) throw invalid(parameter, value, `Value must be one of ${values.join(', ')}`)
  return found
}

function invalid(parameter: string, value: string, reason: string): OssFailure {
  return new OssFailure('InvalidArgument', {
    message: `The value: ${value} of parameter: ${parameter} is invalid.reason:${reason}`,
    elements: { ArgumentName: parameter, ArgumentValue: value },
  })
}

function missing(operation: string): OssFailure {
  return new OssFailure('MissingArgument', {
    message: `A parameter of ${operation} is missing.`,
    elements: { ArgumentName: operation },
  })
}
