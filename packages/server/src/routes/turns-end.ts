let waiting: (() => void)[] = []

/**
 * Runs it at the end of the event loop's turn, with what else is to be sent then. Each write to a client that sleeps wakes
 * it, and code that runs many times in a row is faster: first all requests of a turn are worked out, then all answers leave.
 */
export function atTurnsEnd(send: () => void): void {
  if (waiting.push(send) === 1) setImmediate(sendAll)
}

function sendAll(): void {
  const sends = waiting
  waiting = []
  for (const send of sends) send()
}
