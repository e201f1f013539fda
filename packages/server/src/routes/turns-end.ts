type Work = () => void

const requests: Work[] = []
const answers: Work[] = []
let planned = false

/**
 * Sends an answer at the end of the event loop's turn, with all others. Each write to a client that sleeps wakes it, and
 * code that runs many times in a row is faster: first all requests of a turn are worked out, then all answers leave.
 */
export function atTurnsEnd(send: Work): void {
  answers.push(send)
  plan()
}

/** Works a request out, before any answer leaves. */
export function beforeTurnsEnd(work: Work): void {
  requests.push(work)
  plan()
}

function plan(): void {
  if (!planned) setImmediate(workAll)
  planned = true
}

function workAll(): void {
  try {
    for (let next = requests.shift() ?? answers.shift(); next; next = requests.shift() ?? answers.shift()) next()
  } finally {
    planned = false
    // One that throws takes nobody with it.
    if (requests.length + answers.length > 0) plan()
  }
}
