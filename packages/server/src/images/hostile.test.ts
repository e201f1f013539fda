import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import sharp from 'sharp'
import { OssFailure } from '../oss/failure.ts'
import { hugePng, pdf, plain, shelf, strokesPdf } from './samples.ts'
import { thumbnails } from './thumbnails.ts'

const SEED = 'image/resize,w_120,h_120'
const MAX_GROWTH_BYTES = 64 * 1024 * 1024
const DOCX = Buffer.from('PK\x03\x04\x14\0\x06\0\x08\0[Content_Types].xml', 'latin1')
const SVG = Buffer.from('<svg xmlns="http://www.w3.org/2000/svg"><image href="file:///etc/passwd"/></svg>')

const directory = await mkdtemp(join(tmpdir(), 'hostile-'))
const blobs = shelf()
const room = thumbnails({ blobs, directory: join(directory, 'plain'), gate: { jobTimeMs: 1500 } })
const withAvif = thumbnails({ blobs, directory: join(directory, 'avif'), avif: true })
const jpeg = await plain(400, 267).jpeg().toBuffer()
const avifBomb = await plain(7000, 7000).avif({ effort: 0 }).toBuffer()

const HOSTILE: [string, Buffer, string, string][] = [
  ['a Word document', DOCX, 'image/jpeg', 'BadRequest'],
  ['an SVG named as a PNG', SVG, 'image/png', 'BadRequest'],
  ['a TIFF named as a PNG', await plain(10, 10).tiff().toBuffer(), 'image/png', 'BadRequest'],
  ['a BMP', Buffer.concat([Buffer.from('BM'), Buffer.alloc(60)]), 'image/png', 'BadRequest'],
  ['a HEIC', Buffer.from('\0\0\0\x18ftypheic\0\0\0\0mif1heic', 'latin1'), 'image/png', 'BadRequest'],
  ['an AVIF of 49 megapixels', avifBomb, 'image/png', 'BadRequest'],
  ['a PNG of 400 megapixels', hugePng(20_000), 'image/png', 'ImageTooLarge'],
  ['a truncated JPEG', jpeg.subarray(0, jpeg.length - 300), 'image/jpeg', 'ImageDamage'],
  ['a truncated PNG', (await plain(300, 300).png().toBuffer()).subarray(0, 200), 'image/png', 'ImageDamage'],
  ['nothing', Buffer.alloc(0), 'image/jpeg', 'ImageDamage'],
  ['three bytes of a JPEG', jpeg.subarray(0, 3), 'image/jpeg', 'ImageDamage'],
  ['a PDF without pages', Buffer.from('%PDF-1.4\n%%EOF'), 'application/pdf', 'ImageDamage'],
  ['a PDF of a million strokes', strokesPdf(), 'application/pdf', 'BadRequest'],
]

after(async () => {
  await Promise.all([room.close(), withAvif.close()])
  await rm(directory, { recursive: true })
})

for (const [name, bytes, contentType, code] of HOSTILE) {
  test(`answers ${name} with ${code}, soon and without growing`, async () => {
    await refusal(() => room.render(blobs.put(bytes, contentType), SEED), code)
  })
}

test('refuses a large AVIF by its header when AVIF is on, and renders a small one', async () => {
  await refusal(() => withAvif.render(blobs.put(avifBomb, 'image/avif'), SEED), 'ImageTooLarge')
  const small = blobs.put(await plain(300, 200).avif({ effort: 0 }).toBuffer(), 'image/avif')
  const { body } = await withAvif.render(small, `${SEED}/format,png`)
  assert.equal((await sharp(body).metadata()).width, 120)
})

test('draws a page that claims to be 7 km wide into its box', async () => {
  const page = blobs.put(pdf('0 0 100 100 re f', { mediaBox: '0 0 20000000 20000000' }), 'application/pdf')
  assert.equal((await sharp((await room.render(page, SEED)).body).metadata()).width, 120)
})

test('serves the next image after all of them', async () => {
  assert.equal((await room.render(blobs.put(jpeg, 'image/jpeg'), SEED)).contentType, 'image/jpeg')
})

async function refusal(attempt: () => Promise<unknown>, code: string): Promise<void> {
  const started = Date.now()
  const before = process.memoryUsage.rss()
  let peak = before
  const sampler = setInterval(() => {
    peak = Math.max(peak, process.memoryUsage.rss())
  }, 10)
  const error = await verdict(attempt)
  clearInterval(sampler)
  assert.equal(error.code, code)
  assert.ok(error.status >= 400 && error.status < 500)
  assert.ok(Date.now() - started < 5500)
  assert.ok(Math.max(peak, process.memoryUsage.rss()) - before < MAX_GROWTH_BYTES, `grew by ${peak - before} bytes`)
}

/** What is found about the image, as soon as a renderer got to work: the machine may be busy. */
async function verdict(attempt: () => Promise<unknown>): Promise<OssFailure> {
  const [outcome] = await Promise.allSettled([attempt()])
  assert.ok(outcome?.status === 'rejected' && outcome.reason instanceof OssFailure, String(outcome?.status))
  return outcome.reason.code === 'RendererBusy' ? verdict(attempt) : outcome.reason
}
