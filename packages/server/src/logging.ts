import { setTimeout as pause } from 'node:timers/promises'
import { type DestinationStream, type Logger, pino } from 'pino'

/** JSON lines on stderr; stdout is for what a command was asked. */
export function serviceLogger(level: string): Logger {
  // Written a quarter of a second at a time: a write for each request costs as much as the request.
  const stderr = pino.destination({ fd: 2, sync: false, minLength: 8192, periodicFlush: 250 })
  const timeOf = isoTimes()
  return pino({ level, base: null, timestamp: () => `,"time":"${timeOf(Date.now())}"` }, withoutSecrets(stderr))
}

/** ISO 8601 of Unix times in milliseconds. Lines come many in a row, and to spell a time costs as much as half a line. */
export function isoTimes(): (ms: number) => string {
  let [last, text] = [Number.NaN, '']
  return (ms) => {
    if (ms !== last) [last, text] = [ms, new Date(ms).toISOString()]
    return text
  }
}

/**
 * The last door: nothing of ours logs a query, a header or a body, and what slips into an error's words stays here. Lines
 * that are logged in a row go through as one text: the library looks anew at all that waits with each one it is given.
 */
export function withoutSecrets(destination: DestinationStream & Flushing): DestinationStream & Flushing {
  let lines: string[] = []
  function passOn(): void {
    if (lines.length > 0) destination.write(lines.join(''))
    lines = []
  }
  return {
    write(line) {
      if (lines.push(redacted(line)) === 1) queueMicrotask(passOn)
    },
    flush(done) {
      passOn()
      destination.flush?.(done)
    },
  }
}

/** What can be asked to write out what it holds. */
export interface Flushing {
  flush?(done: () => void): void
}

const FLUSH_MS = 1000

/**
 * Before the end of the process: what is written asynchronously meets a reader that went away and gives up, where the
 * library's last synchronous flush would try for ever.
 */
export async function flushed(logger: Flushing): Promise<void> {
  const written = new Promise<void>((done) => (logger.flush ? logger.flush(() => done()) : done()))
  await Promise.race([written, pause(FLUSH_MS, undefined, { ref: false })])
}

const BATCH_MS = 20
// Requests wait meanwhile: some half a millisecond.
const MOST_AT_ONCE = 64

/**
 * Handles what is added within a moment, many in a row: code that runs for one of them between two requests, with cold
 * caches, costs several times as much. `flush` handles what waits at once.
 */
export function inBatches<Entry>(handle: (entry: Entry) => void) {
  let waiting: Entry[] = []
  function flush(): void {
    const entries = waiting
    waiting = []
    for (const entry of entries) handle(entry)
  }
  return {
    handle,
    add(entry: Entry): void {
      const count = waiting.push(entry)
      if (count === 1) setTimeout(flush, BATCH_MS)
      else if (count === MOST_AT_ONCE) flush()
    },
    flush,
  }
}

const NAMES =
  'accessToken|refreshToken|appSecurity|accessKeySecret|Signature|security-token|securityToken|authorization|cookie'
// `name=value` in a URL or a form, `"name":"value"` in JSON however often it was quoted, `name: value` in a header.
const SECRET = new RegExp(
  `(${NAMES})((?:\\\\*["'])?\\s*(?:=|:|%(?:25)*3D|%(?:25)*3A)\\s*(?:\\\\*["'])?)((?:OSS |OSS4-HMAC-SHA256 |Bearer |Basic )?[^\\s"'\\\\&,;<>]+)`,
  'gi',
)
const SUSPECT = /token|security|signature|secret|authorization|cookie/i

// JSON leaves these as they are; to a terminal they are escapes, to some readers the end of a line.
const CONTROLS = /[\x7f-\x9f\u2028-\u202e\u2066-\u2069]/
const EACH_CONTROL = new RegExp(CONTROLS, 'g')

/** A line as it may be written down: secrets are gone, and it stays one line whatever reads it. */
export function redacted(text: string): string {
  const plain = oneLine(text)
  return SUSPECT.test(plain) ? plain.replace(SECRET, '$1$2[redacted]') : plain
}

/** JSON that no reader takes for more than one line, and no terminal for a command. */
export function oneLine(json: string): string {
  return CONTROLS.test(json) ? json.replace(EACH_CONTROL, asEscape) : json
}

function asEscape(character: string): string {
  return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`
}
