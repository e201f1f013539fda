import { availableParallelism } from 'node:os'
import { OssFailure } from '../oss/failure.ts'
import type { ImageOperation } from '../oss/process.ts'
import type { JobSource, RendererSettings } from './render-job.ts'
import { type PoolLimits, RendererPool } from './renderer-pool.ts'
import { rendererBusy } from './renderer-process.ts'
import type { RenderedImage } from './thumbnails.ts'

/** Pixels are made only behind this gate: so many children, so much time and memory for each, so many waiting. */
export interface Gate {
  /**
   * The bytes of `source` are asked for when a child is free. Throws `OssFailure` for what the image did, `RendererBusy`
   * when there is no room, and whatever `source` throws.
   */
  run(source: JobSource, operations: ImageOperation[]): Promise<RenderedImage>
  stats(): GateStats
  /** Kills the children; jobs in hand fail with `ServiceUnavailable`. */
  close(): Promise<void>
}

export interface GateStats {
  queued: number
  running: number
}

export interface GateLimits extends PoolLimits {
  maxChildren: number
  queueLength: number
  queueTimeMs: number
}

export const DEFAULT_GATE_LIMITS: Omit<GateLimits, 'maxChildren'> = {
  jobTimeMs: 5_000,
  memoryBytes: 512 * 1024 * 1024,
  queueLength: 64,
  queueTimeMs: 10_000,
  idleMs: 30_000,
}

export function openGate(settings: RendererSettings, given: Partial<GateLimits> = {}): Gate {
  const maxChildren = Math.max(1, Math.floor(availableParallelism() / 2))
  const limits = { ...DEFAULT_GATE_LIMITS, maxChildren, ...given }
  const pool = new RendererPool(settings, limits)
  const places = new Places(limits)
  return {
    async run(source, operations) {
      await places.enter()
      try {
        const child = pool.take()
        try {
          const { body, contentType } = await child.run(source, operations)
          return { body, contentType }
        } finally {
          await pool.giveBack(child)
        }
      } finally {
        places.leave()
      }
    },
    stats: () => places.stats(),
    async close() {
      places.close()
      await pool.close()
    },
  }
}

/** As many places as children, and a bounded queue for them. */
class Places {
  readonly #limits: GateLimits
  readonly #queue: PromiseWithResolvers<void>[] = []
  #taken = 0
  #closed = false

  constructor(limits: GateLimits) {
    this.#limits = limits
  }

  async enter(): Promise<void> {
    if (this.#closed) throw new OssFailure('ServiceUnavailable')
    if (this.#taken < this.#limits.maxChildren) {
      this.#taken += 1
      return
    }
    if (this.#queue.length >= this.#limits.queueLength) throw rendererBusy()
    const turn = Promise.withResolvers<void>()
    this.#queue.push(turn)
    const timer = setTimeout(() => {
      this.#queue.splice(this.#queue.indexOf(turn), 1)
      turn.reject(rendererBusy())
    }, this.#limits.queueTimeMs)
    timer.unref()
    await turn.promise.finally(() => clearTimeout(timer))
  }

  /** The place goes from hand to hand, so nobody slips in between. */
  leave(): void {
    const next = this.#queue.shift()
    if (next) next.resolve()
    else this.#taken -= 1
  }

  stats(): GateStats {
    return { queued: this.#queue.length, running: this.#taken }
  }

  close(): void {
    this.#closed = true
    for (const turn of this.#queue.splice(0)) turn.reject(new OssFailure('ServiceUnavailable'))
  }
}
