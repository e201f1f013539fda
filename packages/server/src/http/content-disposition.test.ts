import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { validateHeaderValue } from 'node:http'
import test from 'node:test'
import fc from 'fast-check'
import { contentDisposition } from './content-disposition.ts'

const ROWS: [name: string, fallback: string, encoded: string][] = [
  ['a.txt', 'a.txt', 'a.txt'],
  ['发票照片.jpg', '____.jpg', '%E5%8F%91%E7%A5%A8%E7%85%A7%E7%89%87.jpg'],
  ['kotlin简介.docx', 'kotlin__.docx', 'kotlin%E7%AE%80%E4%BB%8B.docx'],
  ['€ rates', '_ rates', '%E2%82%AC%20rates'],
  ['😀.png', '_.png', '%F0%9F%98%80.png'],
  ['say "hi" \\ back.txt', 'say _hi_ _ back.txt', 'say%20%22hi%22%20%5C%20back.txt'],
  ['100%41.txt', '100_41.txt', '100%2541.txt'],
  ["it's (1)*!~;=,.txt", "it's (1)*!~;=,.txt", 'it%27s%20%281%29%2A%21~%3B%3D%2C.txt'],
  ['a/b', 'a_b', 'a%2Fb'],
  ['a\r\nSet-Cookie: x\0\x7f', 'a__Set-Cookie: x__', 'a%0D%0ASet-Cookie%3A%20x%00%7F'],
  ['\ud800x', '_x', '%EF%BF%BDx'],
  ['', '', ''],
]

for (const [name, fallback, encoded] of ROWS) {
  test(`names ${JSON.stringify(name)} to old and new clients`, () => {
    assert.equal(contentDisposition('inline', name), `inline; filename="${fallback}"; filename*=UTF-8''${encoded}`)
  })
}

test('says attachment when asked to', () => {
  assert.match(contentDisposition('attachment', 'a'), /^attachment; /)
})

/** RFC 8187 3.2.1: pct-encoded and attr-char, nothing else. */
const VALUE =
  /^attachment; filename="([ !#$&-.0-[\]-~]*)"; filename\*=UTF-8''((?:%[\dA-F]{2}|[A-Za-z\d!#$&+\-.^_`|~])*)$/

const NAMES = fc.sample(
  fc.oneof(
    fc.string({ unit: 'binary', maxLength: 40 }),
    fc.string({ unit: fc.nat(0xffff).map((code) => String.fromCharCode(code)), maxLength: 20 }),
    fc.string({ unit: fc.constantFrom(...'简发票😀👨‍👩‍👧é\u0301\u202e\'"\\%;=,*()/!~ \r\n\t\0ab.1'), maxLength: 30 }),
    fc.string({ unit: 'grapheme', maxLength: 20 }),
  ),
  { numRuns: 10_000, seed: 20200903 },
)

test('any name gives one header value that reads back equal', () => {
  for (const name of NAMES) {
    const value = contentDisposition('attachment', name)
    validateHeaderValue('content-disposition', value)
    const encoded = VALUE.exec(value)?.[2]
    assert.ok(encoded !== undefined, value)
    assert.equal(decodeURIComponent(encoded), name.toWellFormed())
  }
})

test('the fallback has as many characters as the name', () => {
  for (const name of NAMES) {
    const fallback = VALUE.exec(contentDisposition('attachment', name))?.[1]
    assert.equal(fallback?.length, [...name.toWellFormed()].length)
  }
})

/** Reads header values, one a line; answers what Python's own parser makes of them, as JSON. */
const READER = `
import json, sys
from email.parser import BytesParser
from email.utils import collapse_rfc2231_value
answers = []
for line in sys.stdin.buffer.read().split(b'\\n'):
    message = BytesParser().parsebytes(b'Content-Disposition: ' + line + b'\\r\\nX-After: 1\\r\\n\\r\\n')
    names = [value for name, value in message.get_params(header='content-disposition') if name == 'filename']
    answers.append({
        'headers': message.keys(),
        'type': message.get_content_disposition(),
        'plain': [value for value in names if isinstance(value, str)],
        'extended': [collapse_rfc2231_value(value) for value in names if isinstance(value, tuple)],
    })
json.dump(answers, sys.stdout)
`

test("Python's email parser reads the same names", (t) => {
  if (spawnSync('python3', ['--version']).status !== 0) return t.skip('python3 is not installed')
  const values = NAMES.map((name) => contentDisposition('attachment', name))
  const python = spawnSync('python3', ['-c', READER], { input: values.join('\n'), maxBuffer: 1 << 26 })
  assert.equal(python.stderr.toString(), '')
  const read = JSON.parse(python.stdout.toString())
  const expected = NAMES.map((name, i) => ({
    headers: ['Content-Disposition', 'X-After'],
    type: 'attachment',
    plain: [VALUE.exec(values[i] ?? '')?.[1]],
    extended: [name.toWellFormed()],
  }))
  assert.equal(read.length, expected.length)
  for (const [i, answer] of read.entries()) assert.deepEqual(answer, expected[i])
})
