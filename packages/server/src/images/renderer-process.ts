import { type ChildProcess, fork } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { Socket } from 'node:net'
import type { Writable } from 'node:stream'
import { fileURLToPath } from 'node:url'
import { OssFailure } from '../oss/failure.ts'
import type { ImageOperation } from '../oss/process.ts'
import { givingWay, lowerPriority, shareOf } from './background.ts'
import type { JobHeader, JobSource, RendererMessage, RendererSettings, RenderReply } from './render-job.ts'

export interface RendererLimits {
  /** From the last byte handed over to the reply. */
  jobTimeMs: number
  /** Resident memory while a job runs; held only where there is a `/proc`. */
  memoryBytes: number
}

const BOOT_TIME_MS = 20_000
/** For a child that gives way: where that holds it up for so long, or is forbidden, the next one does not. */
const YIELDING_BOOT_TIME_MS = 5_000
const MEMORY_SAMPLE_MS = 10
/** Of the memory that a renderer may have: the rest is for what a decoder takes between two looks. */
const MEMORY_SHARE = 7 / 8
/** A store that hangs must not hold a renderer for ever. */
const FEED_TIME_MS = 30_000

interface Work {
  source: JobSource
  operations: ImageOperation[]
  answered: PromiseWithResolvers<RenderReply>
  /** Aborted when the job has its answer, whatever it is. */
  over: AbortController
  watches: NodeJS.Timeout[]
}

/** One child process: started, given one job at a time, killed. */
export class RendererProcess {
  readonly #child: ChildProcess
  readonly #limits: RendererLimits
  readonly #givesWay: boolean
  readonly #gone = Promise.withResolvers<void>()
  readonly #bootLimit: NodeJS.Timeout
  #ready = false
  #exited = false
  #work: Work | undefined
  /** Why we killed it; a child that dies without one crashed. */
  #sentence: unknown
  #starved = false

  /** `givesWay` to everything else that wants a processor; otherwise it has its part, with a low priority. */
  constructor({ maxPixels, avif }: RendererSettings, limits: RendererLimits, givesWay: boolean) {
    this.#limits = limits
    this.#givesWay = givesWay
    const own = import.meta.url
    const program = new URL(own.endsWith('.ts') ? './renderer.ts' : './renderer.js', own)
    // Named one by one: anybody on the machine can read the arguments of a process.
    const settings: RendererSettings = { maxPixels, avif }
    this.#child = fork(fileURLToPath(program), [JSON.stringify(settings)], {
      // None of our environment: it holds secrets. Few arenas keep the memory of one job from haunting the next.
      env: { MALLOC_ARENA_MAX: '2' },
      ...(givesWay ? givingWay() : { execArgv: [] }),
      serialization: 'advanced',
      stdio: ['pipe', 'ignore', 'ignore', 'ipc'],
    })
    lowerPriority(this.#child.pid)
    const bootTimeIsUp = () => this.kill(this.#unstarted('it took too long'))
    this.#bootLimit = setTimeout(bootTimeIsUp, givesWay ? YIELDING_BOOT_TIME_MS : BOOT_TIME_MS)
    this.#child.on('message', (message: RendererMessage) => this.#receive(message))
    this.#child.on('exit', (code, signal) => this.#end(`exit ${code ?? signal}`))
    this.#child.on('error', (error) => this.#end(error.message))
    // Writing to a child that is gone: its exit tells.
    this.#child.stdin?.on('error', () => undefined)
  }

  /** Throws `OssFailure` for what the image did, and any other error for what is wrong with us. */
  async run(source: JobSource, operations: ImageOperation[]): Promise<RenderReply & { kind: 'image' }> {
    const work: Work = {
      source,
      operations,
      answered: Promise.withResolvers(),
      over: new AbortController(),
      watches: [],
    }
    this.#work = work
    this.#hold(true)
    try {
      if (this.#exited) this.#end('gone')
      else if (this.#ready) void this.#hand(work)
      const reply = await work.answered.promise
      if (reply.kind === 'failure')
        throw new OssFailure(reply.code, { message: reply.message, elements: reply.elements })
      if (reply.kind === 'fault') throw new Error(`The image renderer failed: ${reply.message}`)
      return reply
    } finally {
      work.over.abort()
      for (const watch of work.watches) clearTimeout(watch)
      this.#work = undefined
      this.#hold(false)
    }
  }

  /** Alive, and with room for another job: memory that libraries keep must not count against the next image. */
  isFit(): boolean {
    return !this.#exited && !this.#sentence && this.#residentBytes() < this.#limits.memoryBytes / 2
  }

  /** Whether a job of its had to wait for processors that others had. */
  wasStarved(): boolean {
    return this.#starved
  }

  /** Resolves when the child is gone; `sentence` is what its job fails with. */
  kill(sentence: unknown): Promise<void> {
    this.#sentence ??= sentence
    // Whoever waits for the exit waits even when nothing else keeps the process alive.
    this.#child.ref()
    this.#child.kill('SIGKILL')
    return this.#gone.promise
  }

  #receive(message: RendererMessage): void {
    if (message.kind !== 'ready') {
      this.#work?.answered.resolve(message)
      return
    }
    this.#ready = true
    clearTimeout(this.#bootLimit)
    if (this.#work) void this.#hand(this.#work)
  }

  async #hand(work: Work): Promise<void> {
    const { jobTimeMs, memoryBytes } = this.#limits
    const feedLimit = setTimeout(() => this.kill(new OssFailure('ServiceUnavailable')), FEED_TIME_MS)
    const sampler = setInterval(() => {
      if (this.#residentBytes() > memoryBytes * MEMORY_SHARE) void this.kill(new OssFailure('ImageTooLarge'))
    }, MEMORY_SAMPLE_MS)
    work.watches.push(feedLimit, sampler)
    await this.#feed(work)
    clearTimeout(feedLimit)
    // The clock of a job starts here: a slow store is not the image's fault.
    if (work.over.signal.aborted) return
    const share = shareOf(this.#child.pid)
    const look = () => {
      const starving = share.isStarving()
      this.#starved ||= starving
      return starving
    }
    const timeIsUp = () => this.kill(look() ? rendererBusy() : tooSlow(jobTimeMs))
    work.watches.push(setTimeout(timeIsUp, jobTimeMs))
    work.over.signal.addEventListener('abort', look)
  }

  async #feed({ source, operations, answered, over }: Work): Promise<void> {
    const { stdin } = this.#child
    const { size, sha256 } = source
    let sent = 0
    try {
      for await (const chunk of source.bytes()) {
        if (over.signal.aborted || !stdin) return
        if (chunk.byteLength === 0) continue
        if (sent === 0) this.#child.send({ size, sha256, operations } satisfies JobHeader, () => undefined)
        sent += chunk.byteLength
        if (sent > size) throw new Error('A blob is longer than its record says')
        await taken(stdin, chunk)
      }
      if (sent < size) throw new Error('A blob is shorter than its record says')
    } catch (error) {
      if (sent === 0) answered.reject(error)
      // A child that got a part waits for the rest, so it can't be used again.
      else void this.kill(stdin?.errored ? new OssFailure('ImageDamage') : error)
    }
  }

  /** Only a child at work keeps this process alive. */
  #hold(held: boolean): void {
    const { stdin, channel } = this.#child
    for (const handle of [this.#child, channel, stdin instanceof Socket ? stdin : undefined]) {
      if (held) handle?.ref()
      else handle?.unref()
    }
  }

  #end(reason: string): void {
    this.#exited = true
    clearTimeout(this.#bootLimit)
    const cause = this.#sentence ?? (this.#ready ? new OssFailure('ImageDamage') : this.#unstarted(reason))
    this.#work?.answered.reject(cause)
    this.#gone.resolve()
  }

  #unstarted(reason: string): Error {
    this.#starved = this.#givesWay
    return this.#givesWay ? rendererBusy() : new Error(`The image renderer did not start: ${reason}`)
  }

  #residentBytes(): number {
    try {
      const status = readFileSync(`/proc/${this.#child.pid}/status`, 'latin1')
      return Number(/VmRSS:\s+(\d+) kB/.exec(status)?.[1] ?? 0) * 1024
    } catch (error) {
      if (isGone(error)) return 0
      throw error
    }
  }
}

/** Nothing that the image did, so it is no verdict about it. */
export function rendererBusy(): OssFailure {
  return new OssFailure('RendererBusy', { retryAfterSeconds: 1 })
}

function tooSlow(limitMs: number): OssFailure {
  return new OssFailure('BadRequest', { message: `Image processing took longer than ${limitMs / 1000} seconds.` })
}

function isGone(error: unknown): boolean {
  return error instanceof Error && 'code' in error && (error.code === 'ENOENT' || error.code === 'ESRCH')
}

/** Resolves when the kernel has the bytes: then their memory may be used again. A child that is killed takes no more. */
function taken(stdin: Writable, chunk: Uint8Array): Promise<void> {
  return new Promise((resolve, reject) => stdin.write(chunk, (error) => (error ? reject(error) : resolve())))
}
