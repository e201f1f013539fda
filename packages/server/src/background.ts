export interface Chore {
  /** Milliseconds between the end of one run and the start of the next. */
  every: number
  /** `signal` ends what takes long: it is waited for at the end. */
  work(signal: AbortSignal): Promise<unknown>
  /** Takes what is to be called for a run at once, instead of at its next turn. */
  promptedBy?: ((run: () => void) => void) | undefined
}

interface Turn {
  chore: Chore
  timer?: NodeJS.Timeout
  /** Prompted while it ran: what prompted it may have come too late for that run. */
  again: boolean
  failing: boolean
}

/**
 * Runs chores side by side, each one run after the other, until it is stopped. One that fails runs again at its next
 * turn; it is reported once, until it has gone well again.
 */
export function inBackground(chores: Chore[], onFault: (fault: unknown) => void): { stop(): Promise<void> } {
  const turns = chores.map((chore): Turn => ({ chore, again: false, failing: false }))
  const running = new Map<Turn, Promise<void>>()
  const ending = new AbortController()
  let stopped = false

  function schedule(turn: Turn): void {
    turn.timer = setTimeout(() => start(turn), turn.chore.every).unref()
  }

  function start(turn: Turn): void {
    clearTimeout(turn.timer)
    running.set(turn, run(turn))
  }

  async function run(turn: Turn): Promise<void> {
    do {
      turn.again = false
      await once(turn)
    } while (turn.again && !stopped)
    running.delete(turn)
    if (!stopped) schedule(turn)
  }

  async function once(turn: Turn): Promise<void> {
    try {
      await turn.chore.work(ending.signal)
      turn.failing = false
    } catch (fault) {
      if (!turn.failing) onFault(fault)
      turn.failing = true
    }
  }

  function prompt(turn: Turn): void {
    if (stopped) return
    if (running.has(turn)) turn.again = true
    else start(turn)
  }

  for (const turn of turns) {
    schedule(turn)
    turn.chore.promptedBy?.(() => prompt(turn))
  }
  return {
    async stop() {
      stopped = true
      ending.abort()
      for (const { timer } of turns) clearTimeout(timer)
      await Promise.all(running.values())
    },
  }
}
