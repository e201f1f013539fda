import { type DestinationStream, type Logger, pino } from 'pino'

/** JSON lines on stderr; stdout is for what a command was asked. */
export function serviceLogger(level: string): Logger {
  // Written a quarter of a second at a time: a write for each request costs as much as the request.
  const stderr = pino.destination({ fd: 2, sync: false, minLength: 8192, periodicFlush: 250 })
  return pino({ level, base: null, timestamp: pino.stdTimeFunctions.isoTime }, withoutSecrets(stderr))
}

/** The last door: nothing of ours logs a query, a header or a body, and what slips into an error's words stays here. */
export function withoutSecrets(destination: DestinationStream): DestinationStream {
  return { write: (line) => destination.write(redacted(line)) }
}

/**
 * Handles what is added at the end of the event loop's turn, many in a row: code that runs for one of them between two
 * requests, with cold caches, costs several times as much. `flush` handles what waits at once.
 */
export function atTurnsEnd<Entry>(handle: (entry: Entry) => void): { add(entry: Entry): void; flush(): void } {
  let waiting: Entry[] = []
  function flush(): void {
    const entries = waiting
    waiting = []
    for (const entry of entries) handle(entry)
  }
  return {
    add(entry) {
      if (waiting.push(entry) === 1) setImmediate(flush)
    },
    flush,
  }
}

const NAMES =
  'accessToken|refreshToken|appSecurity|accessKeySecret|Signature|security-token|securityToken|authorization|cookie'
// `name=value` in a URL or a form, `"name":"value"` in JSON however often it was quoted, `name: value` in a header.
const SECRET = new RegExp(
  `(${NAMES})((?:\\\\*["'])?\\s*(?:=|:|%3D|%3A)\\s*(?:\\\\*["'])?)((?:OSS |OSS4-HMAC-SHA256 |Bearer |Basic )?[^\\s"'\\\\&,;<>]+)`,
  'gi',
)
const SUSPECT = /token|security|signature|secret|authorization|cookie/i

export function redacted(text: string): string {
  return SUSPECT.test(text) ? text.replace(SECRET, '$1$2[redacted]') : text
}
