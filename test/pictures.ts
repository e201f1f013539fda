/** Pictures as callers upload them, honest and hostile, all made here. */
import { crc32, deflateSync } from 'node:zlib'
import sharp, { type Sharp } from 'sharp'

const RED = { r: 255, g: 0, b: 0 }

export function plain(width: number, height: number): Sharp {
  return sharp({ create: { width, height, channels: 3, background: 'teal' }, limitInputPixels: false })
}

/** Stored 300×200 with a red third at its right; turned as EXIF says it is 200×300 and the red is at the bottom. */
export function sidewaysJpeg(): Promise<Buffer> {
  const red = { create: { width: 100, height: 200, channels: 3, background: RED } } as const
  return plain(300, 200)
    .composite([{ input: red, left: 200, top: 0 }])
    .withMetadata({ orientation: 6 })
    .jpeg()
    .toBuffer()
}

export function halfTransparentPng(): Promise<Buffer> {
  return sharp({ create: { width: 400, height: 400, channels: 4, background: { ...RED, alpha: 0.5 } } })
    .png()
    .toBuffer()
}

export function threeFrameGif(): Promise<Buffer> {
  const [width, height] = [200, 100]
  const frames = [0, 90, 180].map((shade) => Buffer.alloc(width * height * 3, shade))
  return sharp(Buffer.concat(frames), { raw: { width, height: height * 3, channels: 3, pageHeight: height } })
    .gif()
    .toBuffer()
}

/** Two pages of 200×100 points: the first red, the second blue. */
export function twoPagePdf(): Buffer {
  const objects = [
    '<</Type/Catalog/Pages 2 0 R>>',
    '<</Type/Pages/Kids[3 0 R 5 0 R]/Count 2>>',
    ...['1 0 0', '0 0 1'].flatMap((colour, page) => {
      const content = `${colour} rg 0 0 200 100 re f`
      return [
        `<</Type/Page/Parent 2 0 R/MediaBox[0 0 200 100]/Resources<<>>/Contents ${4 + 2 * page} 0 R>>`,
        `<</Length ${content.length}>>\nstream\n${content}\nendstream`,
      ]
    }),
  ]
  return pdfOf(objects)
}

/** Numbered from 1, the first one the catalogue. */
export function pdfOf(objects: readonly string[]): Buffer {
  let text = '%PDF-1.4\n'
  let table = `xref\n0 ${objects.length + 1}\n0000000000 65535 f \n`
  for (const [index, object] of objects.entries()) {
    table += `${String(text.length).padStart(10, '0')} 00000 n \n`
    text += `${index + 1} 0 obj\n${object}\nendobj\n`
  }
  return Buffer.from(
    `${text}${table}trailer\n<</Size ${objects.length + 1}/Root 1 0 R>>\nstartxref\n${text.length}\n%%EOF\n`,
    'latin1',
  )
}

/** One bit a pixel, all black: 400 megapixels are some 50 kB. */
export function hugePng(side: number): Buffer {
  const header = Buffer.alloc(13)
  header.writeUInt32BE(side, 0)
  header.writeUInt32BE(side, 4)
  header[8] = 1
  const rows = deflateSync(Buffer.alloc((1 + Math.ceil(side / 8)) * side))
  const signature = Buffer.from('\x89PNG\r\n\x1a\n', 'latin1')
  return Buffer.concat([signature, chunk('IHDR', header), chunk('IDAT', rows), chunk('IEND', Buffer.alloc(0))])
}

/** Of a PNG. */
export function chunk(type: string, data: Buffer): Buffer {
  const body = Buffer.concat([Buffer.from(type, 'latin1'), data])
  const [length, check] = [Buffer.alloc(4), Buffer.alloc(4)]
  length.writeUInt32BE(data.length)
  check.writeUInt32BE(crc32(body))
  return Buffer.concat([length, body, check])
}

/** A few hundred bytes that unfold to `side` × `side` pixels. */
export function hugeAvif(side: number): Promise<Buffer> {
  return plain(side, side).avif({ effort: 0 }).toBuffer()
}

export async function truncatedJpeg(): Promise<Buffer> {
  const whole = await plain(400, 267).jpeg().toBuffer()
  return whole.subarray(0, whole.length - 300)
}
