/** Time, so that a test can have its own. */
export interface Clock {
  /** Unix time in milliseconds. */
  now(): number
  /** Rejects with the signal's reason when that aborts. */
  sleep(milliseconds: number, signal?: AbortSignal): Promise<void>
}

export const systemClock: Clock = {
  now: () => Date.now(),
  sleep: (milliseconds, signal) =>
    new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(signal.reason)
      const aborted = () => {
        clearTimeout(timer)
        reject(signal?.reason)
      }
      const timer = setTimeout(() => {
        signal?.removeEventListener('abort', aborted)
        resolve()
      }, milliseconds)
      signal?.addEventListener('abort', aborted, { once: true })
    }),
}

/** What `promise` gives, unless the signal aborts first; the promise itself goes on for others who wait for it. */
export function unlessAborted<T>(promise: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return promise
  return new Promise((resolve, reject) => {
    const aborted = () => reject(signal.reason)
    promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', aborted))
    if (signal.aborted) return aborted()
    signal.addEventListener('abort', aborted, { once: true })
  })
}

/** Aborts its signal when nothing happens for too long, or when the caller's signal does. */
export interface Watch {
  signal: AbortSignal
  /** Something is awaited from now on; nothing any more after `stop`. */
  start(milliseconds: number): void
  /** It came; nothing is awaited. */
  pause(): void
  stop(): void
  /** Whether time, not the caller, aborted. */
  ranOut(): boolean
}

export function watch(callers: AbortSignal | undefined): Watch {
  const controller = new AbortController()
  let timer: ReturnType<typeof setTimeout> | undefined
  let [out, stopped] = [false, false]
  const aborted = () => controller.abort(callers?.reason)
  if (callers?.aborted) aborted()
  callers?.addEventListener('abort', aborted, { once: true })
  return {
    signal: controller.signal,
    start(milliseconds) {
      clearTimeout(timer)
      if (stopped) return
      timer = setTimeout(() => {
        out = true
        controller.abort()
      }, milliseconds)
    },
    pause: () => clearTimeout(timer),
    stop() {
      stopped = true
      clearTimeout(timer)
      callers?.removeEventListener('abort', aborted)
    },
    ranOut: () => out,
  }
}
