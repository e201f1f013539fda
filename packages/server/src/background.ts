export interface Chore {
  /** Milliseconds between the end of one run and the start of the next. */
  every: number
  work(): Promise<void>
}

/** Runs chores one at a time until it is stopped; one that fails is reported and runs again at its next turn. */
export function inBackground(chores: Chore[], onFault: (fault: unknown) => void): { stop(): Promise<void> } {
  const timers = new Set<NodeJS.Timeout>()
  let running = Promise.resolve()
  let stopped = false

  function schedule(chore: Chore): void {
    const timer = setTimeout(() => {
      timers.delete(timer)
      running = running.then(() => run(chore))
    }, chore.every)
    timers.add(timer.unref())
  }

  async function run(chore: Chore): Promise<void> {
    if (stopped) return
    await chore.work().catch(onFault)
    if (!stopped) schedule(chore)
  }

  for (const chore of chores) schedule(chore)
  return {
    async stop() {
      stopped = true
      for (const timer of timers) clearTimeout(timer)
      await running
    },
  }
}
