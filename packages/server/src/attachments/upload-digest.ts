import { availableParallelism } from 'node:os'
import { Worker } from 'node:worker_threads'
import { type Digest, digestPass } from './digest.ts'

/** A digest whose work may be done elsewhere: a chunk must stay as it is until `update` has resolved. */
export interface UploadDigest {
  update(chunk: Uint8Array): Promise<void>
  /** Once, at the end. */
  result(): Promise<Digest>
  /** Wherever the upload ended. */
  close(): void
}

export interface ThreadRequest {
  pass: number
  step: 'update' | 'result' | 'close'
  chunk?: Uint8Array
}

/** One for each `update` and `result`, in their order. */
export interface ThreadAnswer {
  pass: number
  digest: Digest | undefined
}

interface Thread {
  worker: Worker
  /** Who waits for answers, by their pass. */
  passes: Map<number, PromiseWithResolvers<ThreadAnswer>[]>
}

// Beyond this the event loop can't bring bytes fast enough.
const MOST_THREADS = Math.min(4, availableParallelism())
// Small, so that a thread collects its messages instead of growing by them; the bytes are outside of it.
const HEAP = { maxYoungGenerationSizeMb: 2, maxOldGenerationSizeMb: 32 }
const threads = new Set<Thread>()
let passesSoFar = 0

/** What comes in shared memory is digested on a thread, beside the event loop; a small body, which does not, at once. */
export function uploadDigest(): UploadDigest {
  let own: Promise<UploadDigest> | undefined
  const begin = (chunk?: Uint8Array) => {
    own ??= chunk?.buffer instanceof SharedArrayBuffer ? Promise.resolve(passOnThread()) : passHere()
    return own
  }
  return {
    update: async (chunk) => (await begin(chunk)).update(chunk),
    result: async () => (await begin()).result(),
    close: () => void own?.then(({ close }) => close()),
  }
}

async function passHere(): Promise<UploadDigest> {
  const { update, result } = await digestPass()
  return { update: async (chunk) => update(chunk), result: async () => result(), close() {} }
}

function passOnThread(): UploadDigest {
  const thread = leastBusy()
  const pass = ++passesSoFar
  const waiting: PromiseWithResolvers<ThreadAnswer>[] = []
  thread.passes.set(pass, waiting)
  thread.worker.ref()

  function ask(request: Omit<ThreadRequest, 'pass'>): Promise<ThreadAnswer> {
    if (!threads.has(thread)) return Promise.reject(new Error('a thread that computed digests is gone'))
    const answer = Promise.withResolvers<ThreadAnswer>()
    waiting.push(answer)
    thread.worker.postMessage({ pass, ...request } satisfies ThreadRequest)
    return answer.promise
  }

  return {
    async update(chunk) {
      await ask({ step: 'update', chunk })
    },
    async result() {
      const { digest } = await ask({ step: 'result' })
      if (digest === undefined) throw new Error('a thread gave no digest')
      // Between threads a Buffer becomes a plain array.
      return { ...digest, head: Buffer.from(digest.head) }
    },
    close() {
      if (!thread.passes.delete(pass)) return
      thread.worker.postMessage({ pass, step: 'close' } satisfies ThreadRequest)
      // Only one at work keeps this process alive.
      if (thread.passes.size === 0) thread.worker.unref()
    },
  }
}

function leastBusy(): Thread {
  const [first] = [...threads].sort((a, b) => a.passes.size - b.passes.size)
  return first && (first.passes.size === 0 || threads.size >= MOST_THREADS) ? first : startThread()
}

function startThread(): Thread {
  const own = import.meta.url
  const program = new URL(own.endsWith('.ts') ? './digest-thread.ts' : './digest-thread.js', own)
  // None of our environment: it holds secrets.
  const worker = new Worker(program, { env: {}, execArgv: [], resourceLimits: HEAP })
  const thread: Thread = { worker, passes: new Map() }
  threads.add(thread)
  thread.worker.on('message', (answer: ThreadAnswer) => thread.passes.get(answer.pass)?.shift()?.resolve(answer))
  const end = (cause: unknown) => {
    threads.delete(thread)
    const error = new Error('a thread that computes digests ended', { cause })
    for (const waiting of thread.passes.values()) for (const { reject } of waiting) reject(error)
    thread.passes.clear()
  }
  thread.worker.on('error', end)
  thread.worker.on('exit', end)
  return thread
}
