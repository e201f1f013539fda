import { crc32 } from 'node:zlib'
import sharp from 'sharp'

/** `expectedThumb` is what `image/resize,w_120,h_120` gives; absent where there is no picture. */
export interface DemoFile {
  name: string
  bytes: Buffer
  contentType: string
  expectedThumb?: { width: number; height: number; format: 'jpeg' | 'png' }
}

/** The files of the demonstration, made here so that none has to be kept: the same bytes at each call. */
export async function demoFiles(): Promise<DemoFile[]> {
  return [
    {
      name: '发票照片.jpg',
      bytes: await invoicePhoto(),
      contentType: 'image/jpeg',
      expectedThumb: { width: 90, height: 120, format: 'jpeg' },
    },
    {
      name: '透明印章.png',
      bytes: await transparentSeal(),
      contentType: 'image/png',
      expectedThumb: { width: 120, height: 90, format: 'png' },
    },
    {
      name: '差旅说明.docx',
      bytes: travelNote(),
      contentType: 'application/vnd.openxmlformats-officedocument.wordprocessingml.document',
    },
    { name: '电子发票.pdf', bytes: invoicePdf(), contentType: 'application/pdf' },
  ]
}

type Colour = [red: number, green: number, blue: number]

/** Pixels with an origin at the top left; what lies outside is left out. */
interface Canvas {
  width: number
  height: number
  channels: 3 | 4
  pixels: Buffer
}

const INK: Colour = [40, 44, 60]
const FAINT: Colour = [168, 150, 140]
const BROWN: Colour = [146, 82, 44]
const SEAL: Colour = [200, 30, 36]

/**
 * A phone's 12-megapixel photograph of an invoice on a table, held upright: the pixels lie on their side (4000×3000)
 * and EXIF orientation 6 says to turn them.
 */
async function invoicePhoto(): Promise<Buffer> {
  const width = 3000
  const height = 4000
  const photo: Canvas = { width, height, channels: 3, pixels: Buffer.alloc(width * height * 3) }
  table(photo)
  paper(photo)
  return sharp(photo.pixels, { raw: { width, height, channels: 3 } })
    .rotate(270)
    .withMetadata({ orientation: 6 })
    .jpeg({ quality: 85 })
    .toBuffer()
}

/** A wooden table with a sheet on it, lit from the top left, with the grain of a sensor. */
function table({ width, height, pixels }: Canvas): void {
  const next = generator(20200903)
  for (let y = 0, at = 0; y < height; y++) {
    const board = 78 + 14 * Math.sin(y / 37) + 9 * Math.sin(y / 11 + 2)
    for (let x = 0; x < width; x++) {
      const onSheet = x > 260 && x < 2740 && y > 380 && y < 3620
      const shade = (onSheet ? 236 : board + 8 * Math.sin(x / 170)) * (1.04 - (x + y) / 32_000) + (next() & 7) - 4
      pixels[at++] = Math.min(255, onSheet ? shade : shade * 1.5)
      pixels[at++] = Math.min(255, shade)
      pixels[at++] = Math.min(255, shade * (onSheet ? 0.95 : 0.7))
    }
  }
}

const ROWS = [
  ['TAXI', '1', '86.40'],
  ['HOTEL', '2', '918.00'],
  ['TRAIN', '1', '553.50'],
  ['MEAL', '3', '214.10'],
]

function paper(photo: Canvas): void {
  write(photo, 'INVOICE', { x: 1080, y: 500, dot: 20, colour: BROWN })
  fill(photo, { x: 960, y: 690, width: 1080, height: 10 }, BROWN)
  fill(photo, { x: 960, y: 716, width: 1080, height: 10 }, BROWN)
  write(photo, 'NO. 20200903', { x: 1790, y: 830, dot: 11, colour: SEAL })
  write(photo, '2020-09-03', { x: 420, y: 830, dot: 11, colour: INK })
  code(photo, { x: 420, y: 440, dot: 12 })
  for (const y of [1020, 1220, 2420, 2720]) fill(photo, { x: 400, y, width: 2208, height: 8 }, BROWN)
  for (const x of [400, 1400, 1800, 2600]) fill(photo, { x, y: 1020, width: 8, height: 1700 }, BROWN)
  for (const [i, [item = '', count = '', amount = '']] of [['ITEM', 'QTY', 'AMOUNT'], ...ROWS].entries()) {
    const y = 1080 + i * 260
    write(photo, item, { x: 470, y, dot: 13, colour: i === 0 ? BROWN : INK })
    write(photo, count, { x: 1470, y, dot: 13, colour: i === 0 ? BROWN : INK })
    write(photo, amount, { x: 1870, y, dot: 13, colour: i === 0 ? BROWN : INK })
  }
  write(photo, 'TOTAL', { x: 470, y: 2520, dot: 15, colour: BROWN })
  write(photo, '1772.00', { x: 1870, y: 2520, dot: 15, colour: INK })
  for (let i = 0; i < 4; i++) fill(photo, { x: 420, y: 2900 + i * 130, width: 900 - i * 140, height: 26 }, FAINT)
  seal(photo, { x: 2080, y: 3080, across: 400, down: 300 })
}

/** A company's seal, 640×480, on nothing: every pixel outside the ink is fully transparent. */
async function transparentSeal(): Promise<Buffer> {
  const stamp: Canvas = { width: 640, height: 480, channels: 4, pixels: Buffer.alloc(640 * 480 * 4) }
  seal(stamp, { x: 320, y: 240, across: 300, down: 220 })
  return sharp(stamp.pixels, { raw: { width: 640, height: 480, channels: 4 } })
    .png()
    .toBuffer()
}

/** An oval ring with a star of five points. */
function seal(canvas: Canvas, { x, y, across, down }: { x: number; y: number; across: number; down: number }): void {
  for (let dy = -down; dy <= down; dy++) {
    for (let dx = -across; dx <= across; dx++) {
      const radius = Math.hypot(dx / across, dy / down)
      const angle = Math.atan2(dx, -dy) / ((2 * Math.PI) / 5)
      const off = Math.abs(angle - Math.round(angle)) * ((2 * Math.PI) / 5)
      const reach = (0.5 * Math.sin(Math.PI / 10)) / Math.sin(Math.PI / 10 + off)
      const inStar = Math.hypot(dx, dy) / down < reach
      if (inStar || (radius > 0.92 && radius <= 1) || (radius > 0.84 && radius < 0.865))
        dot(canvas, x + dx, y + dy, SEAL)
    }
  }
}

/** Looks like a QR code; says nothing. */
function code(canvas: Canvas, { x, y, dot: size }: { x: number; y: number; dot: number }): void {
  const next = generator(7)
  for (let row = 0; row < 25; row++) {
    for (let column = 0; column < 25; column++) {
      const [fromRow, fromColumn] = [Math.min(row, 24 - row), Math.min(column, 24 - column)]
      const finder = fromRow < 7 && fromColumn < 7 && (row < 8 || column < 8)
      const ring = Math.max(Math.abs(fromRow - 3), Math.abs(fromColumn - 3))
      const dark = finder ? ring !== 2 : (next() & 1024) !== 0
      if (dark) fill(canvas, { x: x + column * size, y: y + row * size, width: size, height: size }, INK)
    }
  }
}

/** Five columns of seven dots for each letter, a column a byte. */
const LETTERS: Record<string, string> = {
  '0': '3e5149453e',
  '1': '00427f4000',
  '2': '4261514946',
  '3': '2141454b31',
  '4': '1814127f10',
  '5': '2745454539',
  '6': '3c4a494930',
  '7': '0171090503',
  '8': '3649494936',
  '9': '064949291e',
  '.': '0060600000',
  '-': '0808080808',
  A: '7e1111117e',
  C: '3e41414122',
  E: '7f49494941',
  H: '7f0808087f',
  I: '00417f4100',
  L: '7f40404040',
  M: '7f020c027f',
  N: '7f0408107f',
  O: '3e4141413e',
  Q: '3e4151215e',
  R: '7f09192946',
  T: '01017f0101',
  U: '3f4040403f',
  V: '1f2040201f',
  X: '6314081463',
  Y: '0708700807',
}

interface Writing {
  x: number
  y: number
  dot: number
  colour: Colour
}

function write(canvas: Canvas, text: string, { x, y, dot: size, colour }: Writing): void {
  for (const [i, letter] of [...text].entries()) {
    for (const [column, bits] of Buffer.from(LETTERS[letter] ?? '', 'hex').entries()) {
      for (let row = 0; row < 7; row++) {
        const place = { x: x + (i * 6 + column) * size, y: y + row * size, width: size, height: size }
        if (bits & (1 << row)) fill(canvas, place, colour)
      }
    }
  }
}

interface Box {
  x: number
  y: number
  width: number
  height: number
}

function fill(canvas: Canvas, { x, y, width, height }: Box, colour: Colour): void {
  for (let row = y; row < y + height; row++)
    for (let column = x; column < x + width; column++) dot(canvas, column, row, colour)
}

function dot({ width, height, channels, pixels }: Canvas, x: number, y: number, colour: Colour): void {
  if (x < 0 || y < 0 || x >= width || y >= height) return
  pixels.set(channels === 4 ? [...colour, 255] : colour, (y * width + x) * channels)
}

/** Numerical Recipes' generator: noise that is the same everywhere. */
function generator(seed: number): () => number {
  let state = seed
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return state >>> 16
  }
}

const PARAGRAPHS = [
  '差旅说明',
  '出差人：张三　　部门：市场部　　日期：2020年9月1日至9月3日',
  '事由：赴杭州参加客户签约会议，往返乘坐高铁，住宿两晚。',
  '费用：交通 639.90 元，住宿 918.00 元，餐饮 214.10 元，合计 1772.00 元。',
  '发票原件见附件，请审批。',
]

function travelNote(): Buffer {
  const office = 'application/vnd.openxmlformats-officedocument.wordprocessingml.document.main+xml'
  const schemas = 'http://schemas.openxmlformats.org'
  const text = PARAGRAPHS.map((paragraph) => `<w:p><w:r><w:t>${paragraph}</w:t></w:r></w:p>`).join('')
  return zip({
    '[Content_Types].xml': `<Types xmlns="${schemas}/package/2006/content-types"><Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/><Default Extension="xml" ContentType="application/xml"/><Override PartName="/word/document.xml" ContentType="${office}"/></Types>`,
    '_rels/.rels': `<Relationships xmlns="${schemas}/package/2006/relationships"><Relationship Id="rId1" Type="${schemas}/officeDocument/2006/relationships/officeDocument" Target="word/document.xml"/></Relationships>`,
    'word/document.xml': `<w:document xmlns:w="${schemas}/wordprocessingml/2006/main"><w:body>${text}<w:sectPr/></w:body></w:document>`,
  })
}

/** 2020-09-03 in MS-DOS's form. */
const ZIP_DATE = ((2020 - 1980) << 9) | (9 << 5) | 3

/** An archive of XML parts, stored without compression. */
function zip(parts: Record<string, string>): Buffer {
  const files: Buffer[] = []
  const directory: Buffer[] = []
  let offset = 0
  for (const [path, xml] of Object.entries(parts)) {
    const name = Buffer.from(path)
    const bytes = Buffer.from(`<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n${xml}`)
    const facts = Buffer.alloc(26)
    facts.writeUInt16LE(20, 0)
    facts.writeUInt16LE(ZIP_DATE, 8)
    facts.writeUInt32LE(crc32(bytes), 10)
    facts.writeUInt32LE(bytes.length, 14)
    facts.writeUInt32LE(bytes.length, 18)
    facts.writeUInt16LE(name.length, 22)
    const place = Buffer.alloc(14)
    place.writeUInt32LE(offset, 10)
    files.push(Buffer.from('PK\x03\x04'), facts, name, bytes)
    directory.push(Buffer.from('PK\x01\x02\x14\0'), facts, place, name)
    offset += 30 + name.length + bytes.length
  }
  const end = Buffer.alloc(22)
  end.write('PK\x05\x06')
  end.writeUInt16LE(Object.keys(parts).length, 8)
  end.writeUInt16LE(Object.keys(parts).length, 10)
  end.writeUInt32LE(Buffer.concat(directory).length, 12)
  end.writeUInt32LE(offset, 16)
  return Buffer.concat([...files, ...directory, end])
}

/** One A4 page with Helvetica, lines and boxes; every object where the cross-reference table says. */
function invoicePdf(): Buffer {
  const page = invoicePage()
  const objects = [
    '<< /Type /Catalog /Pages 2 0 R >>',
    '<< /Type /Pages /Kids [3 0 R] /Count 1 >>',
    '<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 4 0 R /Resources << /Font << /F1 5 0 R /F2 6 0 R >> >> >>',
    `<< /Length ${page.length} >>\nstream\n${page}\nendstream`,
    '<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>',
    '<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica-Bold /Encoding /WinAnsiEncoding >>',
  ]
  let file = '%PDF-1.4\n%\xe2\xe3\xcf\xd3\n'
  let table = '0000000000 65535 f \n'
  for (const [i, object] of objects.entries()) {
    table += `${String(file.length).padStart(10, '0')} 00000 n \n`
    file += `${i + 1} 0 obj\n${object}\nendobj\n`
  }
  const size = objects.length + 1
  const trailer = `trailer\n<< /Size ${size} /Root 1 0 R >>\nstartxref\n${file.length}\n%%EOF\n`
  return Buffer.from(`${file}xref\n0 ${size}\n${table}${trailer}`, 'latin1')
}

function invoicePage(): string {
  const text = (font: string, x: number, y: number, words: string) => `BT /${font} Tf ${x} ${y} Td (${words}) Tj ET`
  const rows = ROWS.flatMap(([item = '', count = '', amount = ''], i) => [
    text('F1 13', 64, 596 - i * 48, item),
    text('F1 13', 324, 596 - i * 48, count),
    text('F1 13', 424, 596 - i * 48, amount),
    `48 ${580 - i * 48} m 547 ${580 - i * 48} l S`,
  ])
  return [
    '0.57 0.32 0.17 rg 0.57 0.32 0.17 RG 1 w',
    text('F2 28', 186, 752, 'E-INVOICE'),
    '160 738 m 435 738 l S 160 734 m 435 734 l S',
    text('F1 11', 400, 700, 'No. 20200903'),
    text('F1 11', 48, 700, 'Date: 2020-09-03'),
    '0.96 0.92 0.86 rg 48 628 499 36 re f',
    '48 340 499 324 re S 308 388 m 308 664 l S 408 388 m 408 664 l S 48 388 m 547 388 l S',
    '0.57 0.32 0.17 rg',
    text('F2 12', 64, 641, 'Item'),
    text('F2 12', 324, 641, 'Quantity'),
    text('F2 12', 424, 641, 'Amount \\(CNY\\)'),
    '0.16 0.17 0.24 rg',
    ...rows,
    text('F2 16', 64, 358, 'Total'),
    text('F2 16', 424, 358, '1772.00'),
    '0.78 0.12 0.14 RG 4 w 420 190 110 80 re S 2 w 428 198 94 64 re S 0.78 0.12 0.14 rg',
    text('F2 20', 448, 223, 'PAID'),
  ].join('\n')
}
