import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { after, test } from 'node:test'
import sharp from 'sharp'
import {
  halfTransparentPng,
  hugeAvif,
  hugePng,
  plain,
  sidewaysJpeg,
  threeFrameGif,
  truncatedJpeg,
  twoPagePdf,
} from './pictures.ts'
import { type Attache, bytesOf, startAttache } from './server.ts'

const ANSWER_MS = 5000
const GROWTH_MIB = 64

const attache = await startAttache()
const withAvif = await startAttache({ env: { ATTACHE_AVIF: 'true' } })
after(() => Promise.all([attache.stop(), withAvif.stop()]))

// Made before the first test: once all tests that are known have run, the servers stop.
const [avifBomb, brokenJpeg] = [await hugeAvif(7000), await truncatedJpeg()]

const SIZES: [string, [number, number], [number, number]][] = [
  ['a landscape of 400×267', [400, 267], [120, 80]],
  ['a portrait of 267×400', [267, 400], [80, 120]],
  ['a square of 1000×1000', [1000, 1000], [120, 120]],
  ['a strip of 2400×10, a pixel high at least', [2400, 10], [120, 1]],
  ['a picture of 100×50, which stays as it is', [100, 50], [100, 50]],
]

for (const [what, [width, height], expected] of SIZES) {
  test(`fits ${what} into 120×120`, async () => {
    const thumb = await thumbOf(`${width}.jpg`, await plain(width, height).jpeg().toBuffer())
    assert.equal(thumb.type, 'image/jpeg')
    assert.deepEqual(await sizeOf(thumb.bytes), expected)
  })
}

test('turns a photograph upright and takes its EXIF off', async () => {
  const { bytes } = await thumbOf('手机.jpg', await sidewaysJpeg())
  assert.deepEqual(await sizeOf(bytes), [80, 120])
  assert.equal((await sharp(bytes).metadata()).orientation, undefined)
  assert.ok(isRed(await pixel(bytes, 40, 110)), 'red at the bottom')
  assert.ok(!isRed(await pixel(bytes, 40, 10)), 'and not at the top')
})

test('keeps a PNG a PNG, and transparent', async () => {
  const { bytes, type } = await thumbOf('印章.png', await halfTransparentPng())
  assert.equal(type, 'image/png')
  const { format, hasAlpha, width } = await sharp(bytes).metadata()
  assert.deepEqual([format, hasAlpha, width], ['png', true, 120])
  assert.ok(Math.abs(((await pixel(bytes, 60, 60))[3] ?? 0) - 128) <= 2)
})

test('keeps a GIF a GIF, and moving', async () => {
  const { bytes, type } = await thumbOf('动图.gif', await threeFrameGif())
  assert.equal(type, 'image/gif')
  const { format, pages, width, pageHeight } = await sharp(bytes, { pages: -1 }).metadata()
  assert.deepEqual([format, pages, width, pageHeight], ['gif', 3, 120, 60])
})

test('shows the first page of a PDF', async () => {
  const { bytes, type } = await thumbOf('发票.pdf', twoPagePdf())
  assert.equal(type, 'image/png')
  assert.deepEqual(await sizeOf(bytes), [120, 60])
  assert.ok(isRed(await pixel(bytes, 60, 30)))
})

test('knows a picture by its bytes, whatever its name says', async () => {
  const { type } = await thumbOf('其实是图片.docx', await plain(400, 267).png().toBuffer())
  assert.equal(type, 'image/png')
})

const docx = Buffer.from('PK\x03\x04\x14\0\x06\0\x08\0[Content_Types].xml', 'latin1')
const svg = Buffer.from('<svg xmlns="http://www.w3.org/2000/svg" width="200" height="200"/>')
const HOSTILE: [string, string, Attache, Buffer][] = [
  ['a Word document', '说明.docx', attache, docx],
  ['a Word document named as a picture', '说明.jpg', attache, docx],
  ['an SVG', '矢量.svg', attache, svg],
  ['an empty picture', '空.png', attache, Buffer.alloc(0)],
  ['an AVIF of 49 megapixels', '炸弹.avif', attache, avifBomb],
  ['an AVIF of 49 megapixels where AVIF is on', '炸弹.avif', withAvif, avifBomb],
  ['a PNG of 400 megapixels', '炸弹.png', attache, hugePng(20_000)],
  ['a truncated JPEG', '断.jpg', attache, brokenJpeg],
]

for (const [what, name, server, bytes] of HOSTILE) {
  test(`answers the thumbUrl of ${what} with 4xx in XML, soon, small, and serves the original`, async (t) => {
    const { url, thumbUrl } = await server.linkOf(await server.upload(name, Buffer.from(bytes)))
    const memory = watchMemory(server.pid)
    const started = performance.now()
    const response = await fetch(thumbUrl)
    const xml = await response.text()
    const ms = performance.now() - started
    const grownMib = memory.stop()
    t.diagnostic(
      `${response.status} ${codeOf(xml)} for ${bytes.length} bytes in ${Math.round(ms)} ms, +${grownMib} MiB`,
    )
    assert.ok(response.status >= 400 && response.status < 500, `${response.status} ${xml}`)
    assert.equal(response.headers.get('content-type'), 'application/xml')
    assert.ok(codeOf(xml), xml)
    assert.ok(ms < ANSWER_MS, `${ms} ms`)
    assert.ok(grownMib < GROWTH_MIB, `${grownMib} MiB`)
    assert.ok(bytes.equals(await bytesOf(await fetch(url))))
  })
}

test('renders the next picture after all of them, and has logged no fault by its end', async () => {
  for (const server of [attache, withAvif]) {
    const { bytes } = await thumbOf('后来.png', await plain(300, 300).png().toBuffer(), server)
    assert.deepEqual(await sizeOf(bytes), [120, 120])
    await server.stop()
    assert.equal(server.stderr(), '')
  }
})

async function thumbOf(name: string, original: Buffer, server = attache): Promise<{ bytes: Buffer; type: string }> {
  const { url, thumbUrl } = await server.linkOf(await server.upload(name, Buffer.from(original)))
  const response = await fetch(thumbUrl)
  assert.equal(response.status, 200, await response.clone().text())
  assert.ok(original.equals(await bytesOf(await fetch(url))), 'the original stays as it was')
  return { bytes: await bytesOf(response), type: response.headers.get('content-type') ?? '' }
}

async function sizeOf(bytes: Buffer): Promise<[number, number]> {
  const { width, height } = await sharp(bytes).metadata()
  return [width, height]
}

async function pixel(bytes: Buffer, left: number, top: number): Promise<number[]> {
  return [...(await sharp(bytes).extract({ left, top, width: 1, height: 1 }).raw().toBuffer())]
}

function isRed([red = 0, green = 0, blue = 0]: number[]): boolean {
  return red > 200 && green < 60 && blue < 60
}

function codeOf(xml: string): string | undefined {
  return /<Code>(\w+)<\/Code>/.exec(xml)?.[1]
}

/** `stop` gives the most that the process grew by, in MiB. */
function watchMemory(pid: number): { stop(): number } {
  const resident = () => Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'latin1'))?.[1]) / 1024
  const before = resident()
  let most = before
  const sample = () => {
    most = Math.max(most, resident())
  }
  const timer = setInterval(sample, 10)
  return {
    stop() {
      clearInterval(timer)
      sample()
      return Math.round(most - before)
    },
  }
}
