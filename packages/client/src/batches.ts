export interface BatchOptions<T> {
  /** Items wait while this many do. */
  most: number
  waits(item: T): boolean
  settle(batch: readonly T[]): Promise<void>
  /** Ends what `items` still works on, when the reader stops reading or something fails. */
  stop(): void
}

type Event<T> = { came: IteratorResult<T> } | { settled: readonly T[] }

/**
 * Passes items on as they come, those that wait once they are settled: all that came while the last batch was, at once.
 * When the reader stops, what has come is settled nevertheless.
 */
export async function* inBatches<T>(
  items: AsyncGenerator<T, void>,
  { most, waits, settle, stop }: BatchOptions<T>,
): AsyncGenerator<T, void, undefined> {
  let waiting: T[] = []
  let coming: Promise<Event<T>> | undefined
  let settling: Promise<Event<T>> | undefined
  let over = false
  try {
    while (!over || waiting.length > 0 || settling) {
      if (settling === undefined && waiting.length > 0) settling = settled()
      if (!over && waiting.length < most) coming ??= items.next().then((came) => ({ came }))
      const event = await Promise.race([coming, settling].filter((one) => one !== undefined))
      if ('settled' in event) {
        settling = undefined
        yield* event.settled
      } else {
        coming = undefined
        if (event.came.done) over = true
        else if (waits(event.came.value)) waiting.push(event.came.value)
        else yield event.came.value
      }
    }
  } finally {
    stop()
    await Promise.allSettled([coming, settling])
    await items.return()
    if (waiting.length > 0) await settle(waiting)
  }

  async function settled(): Promise<Event<T>> {
    const batch = waiting
    waiting = []
    await settle(batch)
    return { settled: batch }
  }
}
