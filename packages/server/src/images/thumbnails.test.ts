import assert from 'node:assert/strict'
import { mkdtemp, readdir, rm, truncate } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { after, test } from 'node:test'
import sharp from 'sharp'
import { animation, pdf, plain, shelf, sidewaysJpeg, translucentPng } from './samples.ts'
import { type ThumbnailOptions, type ThumbnailService, thumbnails } from './thumbnails.ts'

const SEED = 'image/resize,w_120,h_120'
const root = await mkdtemp(join(tmpdir(), 'thumbnails-'))
const opened: ThumbnailService[] = []
const blobs = shelf()
const room = open()
const jpeg = await plain(400, 267).jpeg().toBuffer()

after(async () => {
  await Promise.all(opened.map((service) => service.close()))
  await rm(root, { recursive: true })
})

test('makes the thumbnails of the seed', async () => {
  for (const [width, height, expected] of [
    [400, 267, '120x80'],
    [267, 400, '80x120'],
    [1000, 1000, '120x120'],
    [100, 50, '100x50'],
  ] as const) {
    const bytes = await plain(width, height).jpeg().toBuffer()
    assert.equal((await made(bytes, 'image/jpeg', SEED)).size, expected)
  }
})

test('turns a photo upright and strips what it says of its taker', async () => {
  const { header, body } = await made(await sidewaysJpeg(), 'image/jpeg', SEED)
  assert.deepEqual([header.width, header.height, header.orientation, header.exif], [80, 120, undefined, undefined])
  const [top, bottom] = await Promise.all([redAt(body, 5), redAt(body, 115)])
  assert.ok(top < 100 && bottom > 200, `red is ${top} above and ${bottom} below`)
})

test('leaves a photo as it is stored when auto-orient is off', async () => {
  assert.equal((await made(await sidewaysJpeg(), 'image/jpeg', `image/auto-orient,0${SEED.slice(5)}`)).size, '120x80')
})

test('keeps the transparency of a PNG, and puts white under it for a JPEG', async () => {
  const png = await translucentPng(300, 200)
  const kept = await made(png, 'image/png', SEED)
  assert.deepEqual([kept.header.format, kept.size, kept.header.hasAlpha], ['png', '120x80', true])
  const flat = await made(png, 'image/png', `${SEED}/format,jpg`)
  assert.equal(flat.contentType, 'image/jpeg')
  const [r = 0, g = 0] = await sharp(flat.body).raw().toBuffer()
  assert.ok(r > 250 && Math.abs(g - 127) < 6)
})

test('keeps a GIF moving', async () => {
  const gif = await animation(3, 200, 100)
    .gif({ delay: [100, 200, 300], loop: 2 })
    .toBuffer()
  for (const [process, size, pages] of [
    [SEED, '120x60', 3],
    ['image/resize,m_pad,w_60,h_60/crop,w_30,h_20,g_center', '30x20', 3],
    ['image/resize,p_50', '100x50', undefined],
    ['image/resize,w_400,limit_0', '200x100', 3],
  ] as const) {
    const { header, ...result } = await made(gif, 'image/gif', process)
    assert.deepEqual([header.format, result.size], ['gif', size])
    if (pages) assert.deepEqual([header.pages, header.delay, header.loop], [3, [100, 200, 300], 2])
    else assert.equal(header.pages ?? 1, 1)
  }
})

test('shows the first frame of a GIF that is too long', async () => {
  const { header, size } = await made(await animation(101, 30, 20).gif().toBuffer(), 'image/gif', SEED)
  assert.deepEqual([header.format, header.pages ?? 1, size], ['gif', 1, '30x20'])
})

test('runs a chain from left to right', async () => {
  for (const [process, size, format] of [
    ['image/crop,w_200,h_200/resize,w_50', '50x50', 'jpeg'],
    ['image/resize,w_50/crop,w_200,h_200', '50x33', 'jpeg'],
    ['image/rotate,90/resize,w_120,h_120', '80x120', 'jpeg'],
    ['image/resize,m_fill,w_100,h_100/rotate,45/format,png', '141x141', 'png'],
    ['image/resize,m_pad,w_100,h_100/quality,Q_50/interlace,1/format,webp', '100x100', 'webp'],
    ['image/resize,m_fixed,h_100', '100x100', 'jpeg'],
  ] as const) {
    const { header, ...result } = await made(jpeg, 'image/jpeg', process)
    assert.deepEqual([result.size, header.format], [size, format], process)
  }
})

test('heeds the quality that is asked for', async () => {
  const noise = sharp({
    create: {
      width: 200,
      height: 200,
      channels: 3,
      background: 'white',
      noise: { type: 'gaussian', mean: 99, sigma: 50 },
    },
  })
  const bytes = await noise.jpeg().toBuffer()
  const sizes = await Promise.all(
    ['Q_10', 'q_50', 'q_100', 'Q_100'].map(
      async (q) => (await made(bytes, 'image/jpeg', `image/quality,${q}`)).body.length,
    ),
  )
  assert.deepEqual(
    sizes,
    sizes.toSorted((one, other) => one - other),
  )
})

test('paints what m_pad adds', async () => {
  const { body } = await made(
    await plain(200, 100).png().toBuffer(),
    'image/png',
    'image/resize,m_pad,w_50,h_50,color_00FF00',
  )
  assert.deepEqual([...(await sharp(body).removeAlpha().raw().toBuffer()).subarray(0, 3)], [0, 255, 0])
})

test('tells the facts of an image as OSS does', async () => {
  const source = blobs.put(jpeg, 'image/jpeg')
  const { body, contentType } = await room.render(source, 'image/info')
  assert.equal(contentType, 'application/json')
  assert.deepEqual(JSON.parse(Buffer.from(body).toString()), {
    FileSize: { value: String(jpeg.length) },
    Format: { value: 'jpg' },
    ImageHeight: { value: '267' },
    ImageWidth: { value: '400' },
  })
})

test('shows page one of a PDF as PNG, or as what is asked for', async () => {
  const bytes = pdf('1 0 0 rg 0 0 100 100 re f')
  const { header, size, body } = await made(bytes, 'application/pdf', SEED)
  assert.deepEqual([header.format, size], ['png', '120x60'])
  assert.deepEqual([...(await sharp(body).removeAlpha().raw().toBuffer()).subarray(0, 3)], [255, 0, 0])
  assert.equal((await made(bytes, 'application/pdf', `${SEED}/format,jpg`)).contentType, 'image/jpeg')
  assert.equal((await made(bytes, 'application/pdf', 'image/crop,w_9000')).size, '1600x800')
})

test('refuses what is no image without a look at its bytes', async () => {
  const reads = blobs.reads()
  for (const contentType of [
    'application/vnd.openxmlformats-officedocument.wordprocessingml.document',
    'image/svg+xml',
    '',
  ]) {
    await assert.rejects(room.render(blobs.put(jpeg, contentType), SEED), {
      code: 'BadRequest',
      message: 'This image format is not supported.',
    })
  }
  await assert.rejects(open({ maxSourceBytes: 10 }).render(blobs.put(jpeg, 'image/jpeg'), SEED), {
    code: 'ImageTooLarge',
  })
  await assert.rejects(room.render(blobs.put(jpeg, 'image/jpeg'), 'image/resize,w_abc'), { code: 'InvalidArgument' })
  assert.equal(blobs.reads(), reads)
})

test('renders once for a thousand requests at a time', async () => {
  const service = open()
  const source = blobs.put(jpeg, 'image/jpeg')
  const reads = blobs.reads()
  const images = await Promise.all(Array.from({ length: 1000 }, () => service.render(source, SEED)))
  assert.equal(new Set(images).size, 1)
  assert.equal(service.stats().rendered, 1)
  assert.equal(blobs.reads(), reads + 1)
})

test('renders once for two lives, and again when the kept file is torn', async () => {
  const directory = join(root, 'lives')
  const source = blobs.put(jpeg, 'image/jpeg')
  const first = open({ directory })
  const image = await first.render(source, SEED)
  await first.close()
  const second = open({ directory })
  assert.deepEqual(Buffer.from((await second.render(source, SEED)).body), Buffer.from(image.body))
  assert.equal(second.stats().rendered, 0)
  const folder = join(directory, source.blobId.slice(0, 2), source.blobId)
  const [name = ''] = await readdir(folder)
  await truncate(join(folder, name), 100)
  const third = open({ directory })
  assert.deepEqual(Buffer.from((await third.render(source, SEED)).body), Buffer.from(image.body))
  assert.equal(third.stats().rendered, 1)
})

test('forgets a blob in memory, on disk and in flight', async () => {
  const service = open()
  const source = blobs.put(jpeg, 'image/jpeg')
  await service.render(source, SEED)
  const inFlight = service.render(source, 'image/resize,w_50')
  await service.forget(source.blobId)
  await inFlight
  assert.equal(service.stats().rendered, 2)
  await service.render(source, SEED)
  await service.render(source, 'image/resize,w_50')
  assert.equal(service.stats().rendered, 4)
})

test('remembers for an hour that an image can not be rendered', async () => {
  let now = 1_000_000
  const service = open({ clock: () => now })
  const source = blobs.put(jpeg.subarray(0, 400), 'image/jpeg')
  const reads = blobs.reads()
  const attempt = () => assert.rejects(service.render(source, SEED), { code: 'ImageDamage', status: 400 })
  await attempt()
  now += 3_599_000
  await attempt()
  assert.equal(blobs.reads(), reads + 1)
  now += 2_000
  await attempt()
  assert.equal(blobs.reads(), reads + 2)
})

test('does not hold a full queue or a failing store against an image', async () => {
  let broken = true
  const service = open({
    gate: { maxChildren: 1, queueLength: 0 },
    blobs: { read: async () => (broken ? Readable.from(failing()) : jpeg) },
  })
  const source = blobs.put(jpeg, 'image/jpeg')
  await assert.rejects(service.render(source, SEED), /torn cable/)
  broken = false
  const other = service.render(blobs.put(jpeg, 'image/jpeg'), SEED)
  await assert.rejects(service.render(source, SEED), { code: 'RendererBusy', retryAfterSeconds: 1 })
  await other
  assert.equal((await service.render(source, SEED)).contentType, 'image/jpeg')
})

test('treats a blob that is gone as a missing key, and one of another size as a fault', async () => {
  const missing = open({ blobs: { read: async () => undefined } })
  await assert.rejects(missing.render(blobs.put(jpeg, 'image/jpeg'), SEED), { code: 'NoSuchKey' })
  for (const bytes of [jpeg.subarray(1), Buffer.concat([jpeg, jpeg])]) {
    const lying = open({ blobs: { read: async () => Readable.from([bytes]) } })
    await assert.rejects(lying.render(blobs.put(jpeg, 'image/jpeg'), SEED), /than its record says/)
  }
})

async function* failing(): AsyncGenerator<Uint8Array> {
  yield jpeg.subarray(0, 100)
  throw new Error('torn cable')
}

function open(options: Partial<ThumbnailOptions> = {}): ThumbnailService {
  const service = thumbnails({ blobs, directory: join(root, String(opened.length)), ...options })
  opened.push(service)
  return service
}

async function made(bytes: Uint8Array, contentType: string, process: string) {
  const image = await room.render(blobs.put(bytes, contentType), process)
  const header = await sharp(image.body, { pages: -1 }).metadata()
  return { ...image, header, size: `${header.width}x${header.pageHeight ?? header.height}` }
}

/** The red of the pixel in the middle of the row. */
async function redAt(body: Uint8Array, row: number): Promise<number> {
  const { data, info } = await sharp(body).raw().toBuffer({ resolveWithObject: true })
  return data[(row * info.width + Math.floor(info.width / 2)) * info.channels] ?? -1
}
