import { createHash } from 'node:crypto'
import { CONTENT_TYPES } from './formats.ts'
import type { RenderedImage } from './thumbnails.ts'

const DIGEST_BYTES = 32
/** A new type goes to the end: files hold a place in this list. */
const TYPES = Object.values(CONTENT_TYPES)

/** The SHA-256 of the rest, one byte for the content type, the body. */
export function encodeThumbnail({ body, contentType }: RenderedImage): Buffer {
  const rest = Buffer.concat([Buffer.of(TYPES.indexOf(contentType)), body])
  return Buffer.concat([digest(rest), rest])
}

/** `undefined` when a power loss tore the file, or anything else changed it. */
export function decodeThumbnail(file: Buffer): RenderedImage | undefined {
  const rest = file.subarray(DIGEST_BYTES)
  const contentType = TYPES[rest[0] ?? -1]
  if (contentType === undefined || !digest(rest).equals(file.subarray(0, DIGEST_BYTES))) return undefined
  return { body: rest.subarray(1), contentType }
}

function digest(bytes: Buffer): Buffer {
  return createHash('sha256').update(bytes).digest()
}
