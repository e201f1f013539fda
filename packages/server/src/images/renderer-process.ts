import { type ChildProcess, fork } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { OssFailure } from '../oss/failure.ts'
import type { RendererMessage, RendererSettings, RenderJob, RenderReply } from './render-job.ts'

export interface RendererLimits {
  /** From sending the bytes to the reply. */
  jobTimeMs: number
  /** Resident memory while a job runs; held only where there is a `/proc`. */
  memoryBytes: number
}

const BOOT_TIME_MS = 20_000
const MEMORY_SAMPLE_MS = 25

interface Work {
  job: RenderJob
  answered: PromiseWithResolvers<RenderReply>
  watches: NodeJS.Timeout[]
}

/** One child process: started, given one job at a time, killed. */
export class RendererProcess {
  readonly #child: ChildProcess
  readonly #limits: RendererLimits
  readonly #gone = Promise.withResolvers<void>()
  readonly #bootLimit: NodeJS.Timeout
  #ready = false
  #exited = false
  #work: Work | undefined
  /** Why we killed it; a child that dies without one crashed. */
  #sentence: Error | undefined

  constructor(settings: RendererSettings, limits: RendererLimits) {
    this.#limits = limits
    const own = import.meta.url
    const program = new URL(own.endsWith('.ts') ? './renderer.ts' : './renderer.js', own)
    this.#child = fork(fileURLToPath(program), [JSON.stringify(settings)], {
      // None of our environment: it holds secrets. Few arenas keep the memory of one job from haunting the next.
      env: { MALLOC_ARENA_MAX: '2' },
      execArgv: [],
      serialization: 'advanced',
      stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
    })
    this.#bootLimit = setTimeout(() => this.kill(new Error('The image renderer did not start in time')), BOOT_TIME_MS)
    this.#child.on('message', (message: RendererMessage) => this.#receive(message))
    this.#child.on('exit', () => this.#end())
    this.#child.on('error', (cause) => this.#end(cause))
  }

  /** Throws `OssFailure` for what the image did, and any other error for what is wrong with us. */
  async run(job: RenderJob): Promise<RenderReply & { kind: 'image' }> {
    const work: Work = { job, answered: Promise.withResolvers(), watches: [] }
    this.#work = work
    this.#child.ref()
    this.#child.channel?.ref()
    try {
      if (this.#exited) this.#end()
      else if (this.#ready) this.#hand(work)
      const reply = await work.answered.promise
      if (reply.kind === 'failure')
        throw new OssFailure(reply.code, { message: reply.message, elements: reply.elements })
      if (reply.kind === 'fault') throw new Error(`The image renderer failed: ${reply.message}`)
      return reply
    } finally {
      for (const watch of work.watches) clearTimeout(watch)
      this.#work = undefined
      this.#child.unref()
      this.#child.channel?.unref()
    }
  }

  /** Alive, and with room for another job: memory that libraries keep must not count against the next image. */
  isFit(): boolean {
    return !this.#exited && !this.#sentence && this.#residentBytes() < this.#limits.memoryBytes / 2
  }

  /** Resolves when the child is gone; `sentence` is what its job fails with. */
  kill(sentence: Error): Promise<void> {
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
    if (this.#work) this.#hand(this.#work)
  }

  /** The clock of a job starts here: a slow start of the child is not the image's fault. */
  #hand({ job, watches }: Work): void {
    const { jobTimeMs, memoryBytes } = this.#limits
    watches.push(setTimeout(() => this.kill(tooSlow(jobTimeMs)), jobTimeMs))
    watches.push(
      setInterval(() => {
        if (this.#residentBytes() > memoryBytes) void this.kill(new OssFailure('ImageTooLarge'))
      }, MEMORY_SAMPLE_MS),
    )
    // An error of sending means that the child is gone, and then its exit tells.
    this.#child.send(job, () => undefined)
  }

  #end(cause?: Error): void {
    this.#exited = true
    clearTimeout(this.#bootLimit)
    const crash = this.#ready ? new OssFailure('ImageDamage') : new Error('The image renderer did not start', { cause })
    this.#work?.answered.reject(this.#sentence ?? crash)
    this.#gone.resolve()
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

function tooSlow(limitMs: number): OssFailure {
  return new OssFailure('BadRequest', { message: `Image processing took longer than ${limitMs / 1000} seconds.` })
}

function isGone(error: unknown): boolean {
  return error instanceof Error && 'code' in error && (error.code === 'ENOENT' || error.code === 'ESRCH')
}
