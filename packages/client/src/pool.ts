export interface PoolOptions {
  /** How many are worked on at once. */
  concurrency: number
  signal?: AbortSignal | undefined
}

/**
 * Works on `items`, several at once, and gives each result as it comes. After a failure, and when the reader stops reading,
 * nothing new is begun, what is under way is told to stop by its signal, and is waited for.
 */
export async function* inParallel<T, R>(
  items: Iterable<T>,
  { concurrency, signal }: PoolOptions,
  work: (item: T, signal: AbortSignal) => Promise<R>,
): AsyncGenerator<R, void, undefined> {
  const controller = new AbortController()
  const stop = () => controller.abort(signal?.reason)
  if (signal?.aborted) stop()
  signal?.addEventListener('abort', stop, { once: true })
  const running = new Map<number, Promise<{ number: number; result: R }>>()
  let begun = 0
  const begin = (item: T) => {
    const number = begun++
    running.set(
      number,
      work(item, controller.signal).then((result) => ({ number, result })),
    )
  }
  try {
    for (const item of items) {
      begin(item)
      if (running.size >= concurrency) yield await next()
    }
    while (running.size > 0) yield await next()
  } finally {
    controller.abort()
    signal?.removeEventListener('abort', stop)
    await Promise.allSettled(running.values())
  }

  async function next(): Promise<R> {
    const { number, result } = await Promise.race(running.values())
    running.delete(number)
    return result
  }
}
