import { availableParallelism } from 'node:os'
import { OssFailure } from '../oss/failure.ts'
import type { ImageOperation } from '../oss/process.ts'
import type { RendererSettings } from './render-job.ts'
import { type RendererLimits, RendererProcess } from './renderer-process.ts'
import type { RenderedImage } from './thumbnails.ts'

/** Pixels are made only behind this gate: so many children, so much time and memory for each, so many waiting. */
export interface Gate {
  /**
   * `load` is called when a child is free, so the bytes of waiting jobs are not held. Throws `OssFailure` for what the
   * image did, `RendererBusy` when there is no room, and whatever `load` throws.
   */
  run(load: () => Promise<Uint8Array>, operations: ImageOperation[]): Promise<RenderedImage>
  stats(): GateStats
  /** Kills the children; jobs in hand fail with `ServiceUnavailable`. */
  close(): Promise<void>
}

export interface GateStats {
  queued: number
  running: number
}

export interface GateLimits extends RendererLimits {
  maxChildren: number
  queueLength: number
  queueTimeMs: number
  /** A child without work is killed after this. */
  idleMs: number
}

export const DEFAULT_GATE_LIMITS: Omit<GateLimits, 'maxChildren'> = {
  jobTimeMs: 5_000,
  memoryBytes: 512 * 1024 * 1024,
  queueLength: 64,
  queueTimeMs: 10_000,
  idleMs: 30_000,
}

export function openGate(settings: RendererSettings, given: Partial<GateLimits> = {}): Gate {
  const limits = {
    ...DEFAULT_GATE_LIMITS,
    maxChildren: Math.max(1, Math.floor(availableParallelism() / 2)),
    ...given,
  }
  const children = new Set<RendererProcess>()
  const idle: { child: RendererProcess; timer: NodeJS.Timeout }[] = []
  const queue: PromiseWithResolvers<void>[] = []
  let running = 0
  let closed = false

  async function enter(): Promise<void> {
    if (closed) throw new OssFailure('ServiceUnavailable')
    if (running < limits.maxChildren) {
      running += 1
      return
    }
    if (queue.length >= limits.queueLength) throw busy()
    const turn = Promise.withResolvers<void>()
    queue.push(turn)
    const timer = setTimeout(() => {
      queue.splice(queue.indexOf(turn), 1)
      turn.reject(busy())
    }, limits.queueTimeMs)
    timer.unref()
    await turn.promise.finally(() => clearTimeout(timer))
  }

  /** The place goes from hand to hand, so nobody slips in between. */
  function leave(): void {
    const next = queue.shift()
    if (next) next.resolve()
    else running -= 1
  }

  function take(): RendererProcess {
    for (let rested = idle.pop(); rested; rested = idle.pop()) {
      clearTimeout(rested.timer)
      if (rested.child.isFit()) return rested.child
      void retire(rested.child)
    }
    const child = new RendererProcess(settings, limits)
    children.add(child)
    return child
  }

  function rest(child: RendererProcess): void {
    const timer = setTimeout(() => {
      idle.splice(
        idle.findIndex((rested) => rested.child === child),
        1,
      )
      void retire(child)
    }, limits.idleMs)
    timer.unref()
    idle.push({ child, timer })
  }

  async function retire(child: RendererProcess): Promise<void> {
    await child.kill(new OssFailure('ServiceUnavailable'))
    children.delete(child)
  }

  return {
    async run(load, operations) {
      await enter()
      try {
        const bytes = await load()
        if (closed) throw new OssFailure('ServiceUnavailable')
        const child = take()
        try {
          const { body, contentType } = await child.run({ bytes, operations })
          return { body, contentType }
        } finally {
          if (child.isFit() && !closed) rest(child)
          else await retire(child)
        }
      } finally {
        leave()
      }
    },
    stats: () => ({ queued: queue.length, running }),
    async close() {
      closed = true
      for (const turn of queue.splice(0)) turn.reject(new OssFailure('ServiceUnavailable'))
      for (const { timer } of idle.splice(0)) clearTimeout(timer)
      await Promise.all([...children].map(retire))
    },
  }
}

function busy(): OssFailure {
  return new OssFailure('RendererBusy', { retryAfterSeconds: 1 })
}
