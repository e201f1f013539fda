/** Strings that have led somebody's server astray, and mixtures of them. */

const SECRET = 'secret.txt'

/** `depth` steps up and down again lead to a file beside the data directory. */
export const WHOLE = [
  `../${SECRET}`,
  `../../${SECRET}`,
  `../../../../../../../../etc/passwd`,
  `..\\${SECRET}`,
  `..\\..\\..\\windows\\win.ini`,
  `....//....//${SECRET}`,
  `..;/${SECRET}`,
  `%2e%2e%2f${SECRET}`,
  `%2e%2e/${SECRET}`,
  `..%2f${SECRET}`,
  `..%252f..%252f${SECRET}`,
  `..%5c${SECRET}`,
  `..%c0%af${SECRET}`,
  `..%e0%80%af${SECRET}`,
  `\u2025/${SECRET}`,
  `\uff0e\uff0e\uff0f${SECRET}`,
  '/etc/passwd',
  '//etc/passwd',
  'file:///etc/passwd',
  'C:\\boot.ini',
  'C:boot.ini',
  '\\\\server\\share\\x',
  '\\\\?\\C:\\x',
  '/proc/self/environ',
  '/dev/zero',
  `a\0.txt`,
  `a%00.txt`,
  `${SECRET}\0.png`,
  'a\r\nSet-Cookie: x=1',
  'a%0d%0aSet-Cookie:%20x=1',
  'a\u2028b',
  '\u202egnp.exe',
  'a\u200db\u200b',
  'CON',
  'con.txt',
  'NUL',
  'COM1',
  'aux.h',
  'a.',
  'a ',
  ' a',
  'a...',
  '.',
  '..',
  '...',
  '',
  ' ',
  '~',
  '~root/.ssh/id_rsa',
  '$HOME',
  '$(id)',
  '`id`',
  '| id',
  '; id',
  '-rf',
  '--help',
  '*',
  '?',
  'records.sqlite',
  'root.secret',
  'blobs',
  'tmp',
  '../root.secret',
  'blobs/../root.secret',
  'tmp/../../root.secret',
  '__proto__',
  'constructor',
  'toString',
  'hasOwnProperty',
  "' or 1=1 --",
  '"; drop table attachments; --',
  '%',
  '%%',
  '%zz',
  '%u002e%u002e',
  '\ud800',
  'a\udfff.txt',
  'é.txt',
  'e\u0301.txt',
  'ﬁ.txt',
  'ſ.txt',
  'İ.txt',
  'ǅ.txt',
  '👨‍👩‍👧.png',
  '\ufeff.txt',
  '\ufffe',
  'a'.repeat(255),
  'a'.repeat(256),
  'a'.repeat(1024),
  '附'.repeat(85),
  '附'.repeat(86),
  '../'.repeat(80),
  'a/'.repeat(500),
  'a'.repeat(4096),
]

/** One after the other, then parts of them put together at random. */
export function* hostileNames(random: () => number): Generator<string> {
  yield* WHOLE
  const some = () => WHOLE[Math.floor(random() * WHOLE.length)] ?? ''
  const GLUE = ['', '/', '\\', '-', '%2f', '\0', '.', ' ', '\u202e']
  for (;;) {
    const glue = GLUE[Math.floor(random() * GLUE.length)] ?? ''
    const joined = [some(), some()].join(glue)
    yield random() < 0.3
      ? joined.normalize(random() < 0.5 ? 'NFC' : 'NFD')
      : random() < 0.3
        ? spliced(joined, random)
        : joined
  }
}

function spliced(text: string, random: () => number): string {
  const at = Math.floor(random() * text.length)
  return text.slice(0, at) + String.fromCharCode(Math.floor(random() ** 3 * 0xffff)) + text.slice(at)
}
