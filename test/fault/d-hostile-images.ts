/** Forty pictures and documents that mean harm to whoever renders them. */
import { deflateSync } from 'node:zlib'
import { chunk, halfTransparentPng, hugeAvif, hugePng, pdfOf, plain, truncatedJpeg, twoPagePdf } from '../pictures.ts'

export interface HostileImage {
  name: string
  bytes: Buffer
}

export async function hostileImages(random: () => number): Promise<HostileImage[]> {
  const [jpeg, png, webp, gif] = await Promise.all([
    plain(800, 600).jpeg().toBuffer(),
    halfTransparentPng(),
    plain(800, 600).webp().toBuffer(),
    plain(800, 600).gif().toBuffer(),
  ])
  const spoilt = (name: string, bytes: Buffer) => ({ name, bytes: changed(bytes, random) })
  return [
    { name: 'avif-49mp.avif', bytes: await hugeAvif(7000) },
    { name: 'png-400mp.png', bytes: hugePng(20_000) },
    { name: 'png-49mp.png', bytes: hugePng(7000) },
    { name: 'progressive-48mp.jpg', bytes: await plain(8000, 6000).jpeg({ progressive: true }).toBuffer() },
    { name: 'webp-49mp.webp', bytes: await plain(7000, 7000).webp({ effort: 0 }).toBuffer() },
    { name: 'tiff-loop.tiff', bytes: tiffLoop() },
    { name: 'icon.ico', bytes: Buffer.concat([Buffer.from([0, 0, 1, 0, 255, 255]), Buffer.alloc(4000, 255)]) },
    { name: 'gif-50000-frames.gif', bytes: gifOf(2000, 50_000) },
    { name: 'gif-65535.gif', bytes: gifOf(65_535, 1) },
    { name: 'apng.png', bytes: pngOf(16, 16, [chunk('acTL', Buffer.from([0x7f, 255, 255, 255, 0, 0, 0, 0]))]) },
    { name: 'ztxt.png', bytes: pngOf(16, 16, [chunk('zTXt', bomb('Comment\0\0'))]) },
    { name: 'iccp.png', bytes: pngOf(16, 16, [chunk('iCCP', bomb('icc\0\0'))]) },
    { name: 'itxt.png', bytes: pngOf(16, 16, [chunk('iTXt', bomb('XML:com.adobe.xmp\0\x01\0\0\0'))]) },
    { name: 'idat-longer.png', bytes: pngOf(16, 16, [], Buffer.alloc(50_000_000)) },
    { name: 'no-idat.png', bytes: pngOf(4000, 4000, [], Buffer.alloc(0)) },
    { name: 'nothing-wide.png', bytes: pngOf(0, 0, []) },
    { name: 'negative.png', bytes: pngOf(0xffff_ffff, 0xffff_ffff, []) },
    { name: 'line.png', bytes: pngOf(40_000_000, 1, []) },
    { name: 'column.png', bytes: pngOf(1, 40_000_000, []) },
    { name: 'exif-loop.jpg', bytes: withSegment(jpeg, Buffer.concat([Buffer.from('Exif\0\0'), tiffLoop()])) },
    {
      name: 'exif-huge.jpg',
      bytes: withSegment(
        jpeg,
        Buffer.concat([Buffer.from('Exif\0\0MM\0*\0\0\0\x08\xff\xff', 'latin1'), Buffer.alloc(60_000, 0xff)]),
      ),
    },
    { name: 'sof-65535.jpg', bytes: withSize(jpeg, 65_535, 65_535) },
    { name: 'sof-0.jpg', bytes: withSize(jpeg, 0, 0) },
    { name: 'scans.jpg', bytes: scans(await plain(4000, 4000).jpeg({ progressive: true }).toBuffer()) },
    { name: 'truncated.jpg', bytes: await truncatedJpeg() },
    {
      name: 'file.svg',
      bytes: Buffer.from(
        '<svg xmlns="http://www.w3.org/2000/svg" width="99999" height="99999"><image href="file:///etc/passwd"/></svg>',
      ),
    },
    {
      name: 'filters.png',
      bytes: Buffer.from(
        `<svg xmlns="http://www.w3.org/2000/svg"><filter id="f">${'<feGaussianBlur stdDeviation="1000"/>'.repeat(500)}</filter><rect filter="url(#f)" width="9999" height="9999"/></svg>`,
      ),
    },
    {
      name: 'entities.svg',
      bytes: Buffer.from(
        `<!DOCTYPE s [<!ENTITY a "aaaaaaaaaa">${'bcdefghi'
          .split('')
          .map((to, n) => `<!ENTITY ${to} "${`&${'abcdefgh'[n]};`.repeat(10)}">`)
          .join('')}]><svg xmlns="http://www.w3.org/2000/svg"><text>&i;</text></svg>`,
      ),
    },
    {
      name: 'strokes.pdf',
      bytes: pdf(
        Array.from({ length: 1000 }, (_, n) => `${n % 200} 0 m ${(n * 7) % 200} 100 l S\n`)
          .join('')
          .repeat(1600),
      ),
    },
    { name: 'wide.pdf', bytes: pdf('0 0 9 9 re f', '0 0 20000000 20000000') },
    { name: 'inside-out.pdf', bytes: pdf('0 0 9 9 re f', '0 0 -1 -1') },
    {
      name: 'kids-loop.pdf',
      bytes: Buffer.from(twoPagePdf().toString('latin1').replace('/Kids[3 0 R 5 0 R]', '/Kids[2 0 R 2 0 R]'), 'latin1'),
    },
    { name: 'nested.pdf', bytes: nestedForms() },
    { name: 'heic.heic', bytes: Buffer.from('\0\0\0\x18ftypheic\0\0\0\0mif1heic', 'latin1') },
    { name: 'bmp.bmp', bytes: Buffer.concat([Buffer.from('BM'), Buffer.alloc(54, 0xff)]) },
    spoilt('spoilt.jpg', jpeg),
    spoilt('spoilt.png', png),
    spoilt('spoilt.webp', webp),
    spoilt('spoilt.gif', gif),
    spoilt('spoilt.pdf', twoPagePdf()),
  ]
}

function changed(bytes: Buffer, random: () => number): Buffer {
  const copy = Buffer.from(bytes)
  for (let n = 0; n < 20; n++) copy[12 + Math.floor(random() * (copy.length - 12))] = Math.floor(random() * 256)
  return copy
}

/** 100 MB of nothing, packed. */
function bomb(head: string): Buffer {
  return Buffer.concat([Buffer.from(head, 'latin1'), deflateSync(Buffer.alloc(100_000_000))])
}

function pngOf(width: number, height: number, chunks: Buffer[], pixels = Buffer.alloc(16 * 17)): Buffer {
  const header = Buffer.alloc(13)
  header.writeUInt32BE(width >>> 0, 0)
  header.writeUInt32BE(height >>> 0, 4)
  header[8] = 8
  const parts = [chunk('IHDR', header), ...chunks, chunk('IDAT', deflateSync(pixels)), chunk('IEND', Buffer.alloc(0))]
  return Buffer.concat([Buffer.from('\x89PNG\r\n\x1a\n', 'latin1'), ...parts])
}

/** Every frame fills the screen and holds one pixel's worth of data. */
function gifOf(side: number, frames: number): Buffer {
  const size = Buffer.alloc(4)
  size.writeUInt16LE(side, 0)
  size.writeUInt16LE(side, 2)
  const head = Buffer.concat([Buffer.from('GIF89a'), size, Buffer.from([0x80, 0, 0, 0, 0, 0, 255, 255, 255])])
  const control = Buffer.from([0x21, 0xf9, 4, 0, 1, 0, 0, 0])
  const frame = Buffer.concat([control, Buffer.from([0x2c, 0, 0, 0, 0]), size, Buffer.from([0, 2, 2, 0x44, 1, 0])])
  return Buffer.concat([head, ...Array.from({ length: frames }, () => frame), Buffer.from([0x3b])])
}

/** A directory of tags whose next directory is itself. */
function tiffLoop(): Buffer {
  return Buffer.from('4d4d002a00000008000101000003000000010001000000000008', 'hex')
}

function withSegment(jpeg: Buffer, data: Buffer): Buffer {
  const head = Buffer.from([0xff, 0xe1, (data.length + 2) >> 8, (data.length + 2) & 255])
  return Buffer.concat([jpeg.subarray(0, 2), head, data, jpeg.subarray(2)])
}

function withSize(jpeg: Buffer, width: number, height: number): Buffer {
  const copy = Buffer.from(jpeg)
  const at = copy.indexOf(Buffer.from([0xff, 0xc0]))
  copy.writeUInt16BE(height, at + 5)
  copy.writeUInt16BE(width, at + 7)
  return copy
}

/** The same scan again and again, each of which goes over all pixels. */
function scans(progressive: Buffer): Buffer {
  const last = progressive.lastIndexOf(Buffer.from([0xff, 0xda]))
  const scan = progressive.subarray(last, -2)
  const times = Math.min(2000, Math.floor(10_000_000 / scan.length))
  return Buffer.concat([
    progressive.subarray(0, last),
    ...Array.from({ length: times }, () => scan),
    progressive.subarray(-2),
  ])
}

function pdf(content: string, mediaBox = '0 0 200 100'): Buffer {
  return pdfOf([
    '<</Type/Catalog/Pages 2 0 R>>',
    '<</Type/Pages/Kids[3 0 R]/Count 1>>',
    `<</Type/Page/Parent 2 0 R/MediaBox[${mediaBox}]/Resources<<>>/Contents 4 0 R>>`,
    `<</Length ${content.length}>>\nstream\n${content}\nendstream`,
  ])
}

/** A form that draws another ten times, ten deep. */
function nestedForms(): Buffer {
  const forms = Array.from({ length: 10 }, (_, n) => {
    const content = n === 9 ? '0 0 9 9 re f' : '/F Do '.repeat(10)
    const resources = n === 9 ? '<<>>' : `<</XObject<</F ${6 + n} 0 R>>>>`
    return `<</Type/XObject/Subtype/Form/BBox[0 0 200 100]/Resources${resources}/Length ${content.length}>>\nstream\n${content}\nendstream`
  })
  return pdfOf([
    '<</Type/Catalog/Pages 2 0 R>>',
    '<</Type/Pages/Kids[3 0 R]/Count 1>>',
    '<</Type/Page/Parent 2 0 R/MediaBox[0 0 200 100]/Resources<</XObject<</F 5 0 R>>>>/Contents 4 0 R>>',
    '<</Length 5>>\nstream\n/F Do\nendstream',
    ...forms,
  ])
}
