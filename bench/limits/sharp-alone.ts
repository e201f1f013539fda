/** What a user would write instead: sharp in a process of its own, on a picture that is already in memory. */
import { readFile } from 'node:fs/promises'
import { setPriority } from 'node:os'
import sharp from 'sharp'

export interface SharpQuestion {
  seconds: number
  file: string
  /** Pictures at a time. */
  parallel: number
}

export interface SharpAnswer {
  /** Thumbnails a second. */
  rate: number
}

// As the service's renderers: what else runs on the machine must weigh on both alike.
setPriority(10)
sharp.cache(false)
sharp.concurrency(1)

process.on('message', async ({ seconds, file, parallel }: SharpQuestion) => {
  const bytes = await readFile(file)
  const started = performance.now()
  let made = 0
  async function lane(): Promise<void> {
    while (performance.now() - started < seconds * 1000) {
      const picture = sharp(bytes, { autoOrient: true }).resize(120, 120, { fit: 'inside', withoutEnlargement: true })
      await (file.endsWith('.png') ? picture.png() : picture.jpeg({ quality: 80 })).toBuffer()
      made++
    }
  }
  await Promise.all(Array.from({ length: parallel }, lane))
  process.send?.({ rate: made / ((performance.now() - started) / 1000) } satisfies SharpAnswer)
})
