import assert from 'node:assert/strict'
import test from 'node:test'
import fc from 'fast-check'
import { parseHttpDate } from './date.ts'

const NOW = Date.UTC(2026, 0, 2, 3, 4, 5)
const NOV_1994 = 784111777000

const ROWS: [text: string, ms: number | undefined][] = [
  ['Sun, 06 Nov 1994 08:49:37 GMT', NOV_1994],
  ['Sunday, 06-Nov-94 08:49:37 GMT', NOV_1994],
  ['Sun Nov  6 08:49:37 1994', NOV_1994],
  ['Wed Nov 16 08:49:37 1994', NOV_1994 + 10 * 86_400_000],
  [' Sun, 06 Nov 1994 08:49:37 GMT ', NOV_1994],
  ['Friday, 02-Jan-26 03:04:05 GMT', NOW],
  ['Wednesday, 01-Jan-76 00:00:00 GMT', Date.UTC(2076, 0, 1)],
  ['Saturday, 01-Jan-77 00:00:00 GMT', Date.UTC(1977, 0, 1)],
  ['Thu, 01 Jan 1970 00:00:00 GMT', 0],
  ['Mon, 06 Nov 1994 08:49:37 GMT', undefined],
  ['Monday, 06-Nov-94 08:49:37 GMT', undefined],
  ['Mon Nov  6 08:49:37 1994', undefined],
  ['Sun, 6 Nov 1994 08:49:37 GMT', undefined],
  ['sun, 06 nov 1994 08:49:37 gmt', undefined],
  ['Sun, 06 Nov 1994 08:49:37 +0000', undefined],
  ['Sun, 06 Nov 1994 08:49:37', undefined],
  ['Sun, 06 Nov 94 08:49:37 GMT', undefined],
  ['Sun, 06 Nov 1994 25:49:37 GMT', undefined],
  ['Wed, 30 Feb 1994 08:49:37 GMT', undefined],
  ['1994-11-06T08:49:37Z', undefined],
  ['784111777', undefined],
  ['2026', undefined],
  ['', undefined],
]

for (const [text, ms] of ROWS) {
  test(`${ms === undefined ? 'refuses' : 'reads'} ${JSON.stringify(text)}`, () =>
    assert.equal(parseHttpDate(text, NOW), ms))
}

test('reads back every second that toUTCString writes', () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: Date.UTC(9999, 11, 31) / 1000 }), (seconds) => {
      assert.equal(parseHttpDate(new Date(seconds * 1000).toUTCString(), NOW), seconds * 1000)
    }),
    { numRuns: 2000 },
  )
})

test('answers undefined or whole seconds to any text, and never throws', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme' }), (text) => (parseHttpDate(text, NOW) ?? 0) % 1000 === 0),
    { numRuns: 2000 },
  )
})
