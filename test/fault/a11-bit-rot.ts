/**
 * A11: a byte of a blob flips on its disk. Up to 64 KiB, and for thumbnails, the service sees it before it gives or keeps
 * anything. Larger ones are streamed: their hashes stand in headers before the bytes, so a reader sees it, and so does `verify`.
 */
import { hash, randomBytes } from 'node:crypto'
import { open, readdir, truncate } from 'node:fs/promises'
import { join } from 'node:path'
import { plain } from '../pictures.ts'
import { type Attache, bytesOf, type Link, startAttache } from '../server.ts'
import { verb } from '../verbs.ts'
import { row } from './stage.ts'

const LARGE = 2 * 1024 * 1024

await row('A11', async (stage) => {
  const data = join(stage.directory, 'data')
  const attache = await startAttache({ data })
  stage.defer(() => attache.kill())
  const faults: string[] = []
  const must = (holds: boolean, words: string) => {
    if (!holds) faults.push(words)
  }

  const small = await stored(attache, Buffer.from('small '.repeat(1000)))
  await small.flip()
  for (const turn of [1, 2]) {
    must((await got(small.link.url)).status === 500, `turn ${turn}: rotten bytes were given`)
    must((await got(small.link.url, { range: 'bytes=0-9' })).status === 500, `turn ${turn}: a rotten range was given`)
  }
  await small.flip()
  must((await got(small.link.url)).sum === small.sum, 'once mended it is not given')
  const counted = await got(`${attache.url}/metrics`)
  must(/attache_refusals_total\{code="(Fault|InternalError)"\} 4/.test(counted.text), 'not counted')

  const picture = await stored(attache, Buffer.from(await plain(800, 600).jpeg().toBuffer()), 'a.jpg')
  // Behind the picture's end, where a renderer would not look.
  await picture.flip(-1)
  must((await got(picture.link.thumbUrl)).status >= 500, 'a thumbnail of rotten bytes was given')
  await picture.flip(-1)
  must((await got(picture.link.thumbUrl)).status === 200, 'no thumbnail once mended')

  const large = await stored(attache, randomBytes(LARGE))
  await large.flip()
  const given = await got(large.link.url)
  must(given.md5 !== given.header && given.header !== '', 'a reader can not tell')
  const { stdout, code } = await verb(['verify'], { env: { ATTACHE_DATA: data } })
  must(code === 1 && stdout.includes(large.fileId), 'verify did not find it')
  await truncate(large.path, LARGE - 1)
  must(
    await got(large.link.url).then(
      () => false,
      () => true,
    ),
    'a cut blob came as a whole one',
  )

  must(await soon(() => attache.stderr().includes(small.fileId)), 'not logged')
  await attache.stop()
  const seen =
    'up to 64 KiB and thumbnails: 500, logged, counted, never kept; larger: told by Content-MD5, found by verify; cut ones: connection cut'
  return { ok: faults.length === 0, figure: faults.length === 0 ? seen : faults.join(', ') }
})

interface Stored {
  fileId: string
  link: Link
  sum: string
  path: string
  /** `at` counts from the end where it is negative. */
  flip(at?: number): Promise<void>
}

async function stored(attache: Attache, bytes: Buffer<ArrayBuffer>, name = 'a.bin'): Promise<Stored> {
  const before = new Set(await blobsOf(attache.data))
  const uploaded = await attache.upload(name, bytes)
  const [path = ''] = (await blobsOf(attache.data)).filter((one) => !before.has(one))
  return {
    fileId: uploaded.fileId,
    link: await attache.linkOf(uploaded),
    sum: hash('sha256', bytes),
    path,
    async flip(at = 5) {
      const handle = await open(path, 'r+')
      const byte = Buffer.alloc(1)
      const position = at < 0 ? bytes.length + at : at
      await handle.read(byte, 0, 1, position)
      byte[0] = (byte[0] ?? 0) ^ 1
      await handle.write(byte, 0, 1, position)
      await handle.close()
    },
  }
}

async function blobsOf(data: string): Promise<string[]> {
  const entries = await readdir(join(data, 'blobs'), { recursive: true, withFileTypes: true })
  return entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name))
}

async function got(url: string, headers: Record<string, string> = {}) {
  const answer = await fetch(url, { headers })
  const bytes = await bytesOf(answer)
  const header = answer.headers.get('content-md5') ?? ''
  return {
    status: answer.status,
    sum: hash('sha256', bytes),
    md5: hash('md5', bytes, 'base64'),
    header,
    text: bytes.toString('latin1'),
  }
}

/** The log is written a quarter of a second at a time. */
async function soon(check: () => boolean): Promise<boolean> {
  for (let turn = 0; turn < 100 && !check(); turn++) await new Promise((resolve) => setTimeout(resolve, 20))
  return check()
}
