/** Images for tests and benches, honest and hostile. */
import { randomBytes } from 'node:crypto'
import { Readable } from 'node:stream'
import { crc32, deflateSync } from 'node:zlib'
import sharp, { type Sharp } from 'sharp'
import type { BlobStore } from '../blobs/blob-store.ts'
import type { ThumbnailSource } from './thumbnails.ts'

const SLATE = { r: 60, g: 90, b: 120 }
const RED = { r: 255, g: 0, b: 0 }

export function plain(width: number, height: number): Sharp {
  return sharp({ create: { width, height, channels: 3, background: SLATE }, limitInputPixels: false })
}

/** Stored 300×200, to be shown 200×300 with its red end down. */
export function sidewaysJpeg(): Promise<Buffer> {
  const red = { create: { width: 100, height: 200, channels: 3, background: RED } } as const
  return plain(300, 200)
    .composite([{ input: red, left: 200, top: 0 }])
    .withExif({ IFD0: { Copyright: 'someone' }, IFD3: { GPSLatitudeRef: 'N' } })
    .withMetadata({ orientation: 6 })
    .jpeg()
    .toBuffer()
}

export function translucentPng(width: number, height: number): Promise<Buffer> {
  return sharp({ create: { width, height, channels: 4, background: { ...RED, alpha: 0.5 } } })
    .png()
    .toBuffer()
}

export function animation(frames: number, width: number, height: number): Sharp {
  const pixels = Buffer.concat(
    Array.from({ length: frames }, (_, frame) => Buffer.alloc(width * height * 3, frame * 70)),
  )
  return sharp(pixels, { raw: { width, height: height * frames, channels: 3, pageHeight: height } })
}

/** One page that `content` draws. */
export function pdf(content: string, { mediaBox = '0 0 200 100' } = {}): Buffer {
  const objects = [
    '<</Type/Catalog/Pages 2 0 R>>',
    '<</Type/Pages/Kids[3 0 R]/Count 1>>',
    `<</Type/Page/Parent 2 0 R/MediaBox[${mediaBox}]/Resources<<>>/Contents 4 0 R>>`,
    `<</Length ${content.length}>>\nstream\n${content}\nendstream`,
  ]
  let text = '%PDF-1.4\n'
  const offsets = objects.map((object, index) => {
    const offset = text.length
    text += `${index + 1} 0 obj\n${object}\nendobj\n`
    return `${String(offset).padStart(10, '0')} 00000 n \n`
  })
  const table = `xref\n0 5\n0000000000 65535 f \n${offsets.join('')}`
  return Buffer.from(`${text}${table}trailer\n<</Size 5/Root 1 0 R>>\nstartxref\n${text.length}\n%%EOF\n`, 'latin1')
}

/** A million strokes: takes many seconds to draw. */
export function strokesPdf(): Buffer {
  const block = Array.from({ length: 1000 }, (_, n) => `${n % 200} 0 m ${(n * 7) % 200} 100 l S\n`).join('')
  return pdf(block.repeat(1000))
}

/** Black, one bit a pixel: 400 megapixels are some 50 kB. */
export function hugePng(side: number): Buffer {
  const header = Buffer.alloc(13)
  header.writeUInt32BE(side, 0)
  header.writeUInt32BE(side, 4)
  header[8] = 1
  const rows = deflateSync(Buffer.alloc((1 + Math.ceil(side / 8)) * side))
  const signature = Buffer.from('\x89PNG\r\n\x1a\n', 'latin1')
  return Buffer.concat([signature, chunk('IHDR', header), chunk('IDAT', rows), chunk('IEND', Buffer.alloc(0))])
}

function chunk(type: string, data: Buffer): Buffer {
  const body = Buffer.concat([Buffer.from(type, 'latin1'), data])
  const length = Buffer.alloc(4)
  length.writeUInt32BE(data.length)
  const check = Buffer.alloc(4)
  check.writeUInt32BE(crc32(body))
  return Buffer.concat([length, body, check])
}

/** A shelf of blobs in memory that counts how often they are read. */
export function shelf(): Pick<BlobStore, 'read'> & {
  put(bytes: Uint8Array, contentType: string): ThumbnailSource
  reads(): number
} {
  const blobs = new Map<string, Uint8Array>()
  let reads = 0
  return {
    reads: () => reads,
    put(bytes, contentType) {
      const blobId = randomBytes(16).toString('hex')
      blobs.set(blobId, bytes)
      return { blobId, size: bytes.byteLength, contentType }
    },
    async read(id, range) {
      reads += 1
      const bytes = blobs.get(id)
      return bytes && Readable.from([bytes.subarray(range.first, range.last + 1)])
    },
  }
}
