/** Something that looks through a file for what must not be stored. */
export interface Scanner {
  open(): Scan
}

/** One file on its way through. Whatever fails in it, the scanner or its connection, is an error other than a `Failure`. */
export interface Scan {
  /** Resolves when the scanner has taken the bytes, which the caller may then use again. */
  write(chunk: Uint8Array): Promise<void>
  /** All bytes are there: the name of what was found, or `undefined` for a clean file. */
  verdict(): Promise<string | undefined>
  /** Ends it wherever it is; after a verdict it does nothing. */
  close(): void
}

const LONGEST_NAME = 200

/** A name as it may stand in answers and logs. */
export function nameOfFinding(text: string): string {
  const plain = text.replace(/[^\x20-\x7e]+/g, ' ').trim()
  return plain.slice(0, LONGEST_NAME) || 'unnamed'
}
