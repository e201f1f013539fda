export interface Chore {
  /** Milliseconds between the end of one run and the start of the next. */
  every: number
  work(): Promise<unknown>
}

/** Runs chores side by side, each one run after the other, until it is stopped; one that fails is reported and runs again at its next turn. */
export function inBackground(chores: Chore[], onFault: (fault: unknown) => void): { stop(): Promise<void> } {
  const timers = new Set<NodeJS.Timeout>()
  const running = new Set<Promise<void>>()
  let stopped = false

  function schedule(chore: Chore): void {
    const timer = setTimeout(() => {
      timers.delete(timer)
      const run = once(chore).finally(() => running.delete(run))
      running.add(run)
    }, chore.every)
    timers.add(timer.unref())
  }

  async function once(chore: Chore): Promise<void> {
    if (stopped) return
    await chore.work().catch(onFault)
    if (!stopped) schedule(chore)
  }

  for (const chore of chores) schedule(chore)
  return {
    async stop() {
      stopped = true
      for (const timer of timers) clearTimeout(timer)
      await Promise.all(running)
    },
  }
}
