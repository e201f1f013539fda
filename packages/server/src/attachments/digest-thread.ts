/** The program of a thread that computes digests of uploads; each pass is known by a number. */
import { parentPort } from 'node:worker_threads'
import { type DigestPass, digestPass } from './digest.ts'
import type { ThreadAnswer, ThreadRequest } from './upload-digest.ts'

const passes = new Map<number, Promise<DigestPass>>()

parentPort?.on('message', async ({ pass, step, chunk }: ThreadRequest) => {
  // Looked up before anything is waited for: steps of one pass keep their order.
  const open = passes.get(pass) ?? digestPass()
  if (step === 'update') passes.set(pass, open)
  else passes.delete(pass)
  if (step === 'close') return
  const { update, result } = await open
  if (chunk) update(chunk)
  // A copy made for this thread: many small ones would wait long for a collector that sees little to do.
  if (chunk?.buffer instanceof ArrayBuffer) chunk.buffer.transfer(0)
  parentPort?.postMessage({ pass, digest: step === 'result' ? result() : undefined } satisfies ThreadAnswer)
})
