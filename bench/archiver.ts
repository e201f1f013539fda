/** The SDK's archive in a process of its own, so that its memory is that of nothing else. */
import { createClient } from '../packages/client/src/node.ts'

export interface ArchiveQuestion {
  baseUrl: string
  appKey: string
  appSecurity: string
  code: string
  directory: string
  concurrency: number
}

export interface ArchiveAnswer {
  saved: number
  /** Files a second. */
  rate: number
}

process.on('message', async ({ code, directory, concurrency, ...keys }: ArchiveQuestion) => {
  const client = createClient(keys)
  const started = performance.now()
  let saved = 0
  for await (const { status } of client.archive(code, directory, { concurrency })) {
    if (status === 'saved') saved++
  }
  const rate = saved / ((performance.now() - started) / 1000)
  process.send?.({ saved, rate } satisfies ArchiveAnswer)
})
