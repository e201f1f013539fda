/** The least that an archive can take: the links in one request, and bare fetches that keep nothing, or write plain files. */
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'

export interface FetchesQuestion {
  /** With an access token in it. */
  downloadUrls: string
  items: { id: string; key: string; expiration: number }[]
  concurrency: number
  /** Where each body is written, by `writeFile` alone: not synced, not checked, under no other name before. Without it, nowhere. */
  directory?: string
}

export interface FetchesAnswer {
  /** Files a second. */
  rate: number
}

process.on('message', async ({ downloadUrls, items, concurrency, directory }: FetchesQuestion) => {
  const started = performance.now()
  const headers = { 'content-type': 'application/json' }
  const answer = await fetch(downloadUrls, { method: 'POST', headers, body: JSON.stringify(items) })
  const links = (await answer.json()) as { url: string }[]
  const left = links.entries()
  async function lane(): Promise<void> {
    for (const [number, { url }] of left) {
      const bytes = await (await fetch(url)).arrayBuffer()
      if (directory !== undefined) await writeFile(join(directory, `${number}`), new Uint8Array(bytes))
    }
  }
  await Promise.all(Array.from({ length: concurrency }, lane))
  process.send?.({ rate: items.length / ((performance.now() - started) / 1000) } satisfies FetchesAnswer)
})
