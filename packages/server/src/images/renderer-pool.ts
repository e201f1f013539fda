import { OssFailure } from '../oss/failure.ts'
import type { RendererSettings } from './render-job.ts'
import { type RendererLimits, RendererProcess } from './renderer-process.ts'

export interface PoolLimits extends RendererLimits {
  /** A child without work is killed after this. */
  idleMs: number
}

// Where others want all processors all the time, pictures must not wait for ever.
const PRESSED_MS = 60_000

/** The children: started when there is none to take, rested between jobs, killed when idle or unfit. */
export class RendererPool {
  readonly #settings: RendererSettings
  readonly #limits: PoolLimits
  readonly #children = new Set<RendererProcess>()
  readonly #idle = new Map<RendererProcess, NodeJS.Timeout>()
  /** By the clock of `performance`: children that are started before then give way to nobody. */
  #pressedUntil = 0
  #closed = false

  constructor(settings: RendererSettings, limits: PoolLimits) {
    this.#settings = settings
    this.#limits = limits
  }

  take(): RendererProcess {
    if (this.#closed) throw new OssFailure('ServiceUnavailable')
    // The last to rest first: the others may grow old and go.
    for (const [child, timer] of [...this.#idle].reverse()) {
      clearTimeout(timer)
      this.#idle.delete(child)
      if (child.isFit()) return child
      void this.#retire(child)
    }
    const givesWay = performance.now() >= this.#pressedUntil
    const child = new RendererProcess(this.#settings, this.#limits, givesWay)
    this.#children.add(child)
    return child
  }

  /** Resolves when the child rests or is gone. */
  async giveBack(child: RendererProcess): Promise<void> {
    if (child.wasStarved()) this.#pressedUntil = performance.now() + PRESSED_MS
    if (this.#closed || child.wasStarved() || !child.isFit()) return this.#retire(child)
    const timer = setTimeout(() => {
      this.#idle.delete(child)
      void this.#retire(child)
    }, this.#limits.idleMs)
    timer.unref()
    this.#idle.set(child, timer)
  }

  async close(): Promise<void> {
    this.#closed = true
    for (const timer of this.#idle.values()) clearTimeout(timer)
    await Promise.all([...this.#children].map((child) => this.#retire(child)))
  }

  async #retire(child: RendererProcess): Promise<void> {
    await child.kill(new OssFailure('ServiceUnavailable'))
    this.#children.delete(child)
  }
}
