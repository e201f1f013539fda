import assert from 'node:assert/strict'
import test from 'node:test'
import fc from 'fast-check'
import { type ConditionalHeaders, conditionOf, rangeApplies } from './conditional.ts'

const MD5 = 'D41D8CD98F00B204E9800998ECF8427E'
const ETAG = `"${MD5}"`
const OTHER = '"9800998ECF8427ED41D8CD98F00B204E"'
const NOW = Date.UTC(2026, 0, 2, 3, 4, 5)
/** Half a second past a full one, as records hold it. */
const LAST_MODIFIED = Date.UTC(2026, 0, 1, 12, 0, 0, 500)
const SAME = new Date(LAST_MODIFIED).toUTCString()
const BEFORE = new Date(LAST_MODIFIED - 1000).toUTCString()
const AFTER = new Date(LAST_MODIFIED + 1000).toUTCString()
const FUTURE = new Date(NOW + 60_000).toUTCString()
const OBJECT = { etag: ETAG, lastModifiedMs: LAST_MODIFIED }

const MATCH_FAILED = { failed: 'If-Match' }
const UNMODIFIED_FAILED = { failed: 'If-Unmodified-Since' }

type Rows<T> = [behaviour: string, given: T, expected: unknown][]

const CONDITIONS: Rows<ConditionalHeaders> = [
  ['proceeds without conditions', {}, 'proceed'],

  ['If-Match: the ETag proceeds', { 'if-match': ETAG }, 'proceed'],
  ['If-Match: another ETag fails', { 'if-match': OTHER }, MATCH_FAILED],
  ['If-Match: a list with the ETag proceeds', { 'if-match': `${OTHER}, ${ETAG}` }, 'proceed'],
  ['If-Match: a list without spaces, with empty elements, proceeds', { 'if-match': `,${OTHER},,${ETAG},` }, 'proceed'],
  ['If-Match: * proceeds', { 'if-match': ' * ' }, 'proceed'],
  ['If-Match: * inside a list is no wildcard', { 'if-match': `${OTHER}, *` }, MATCH_FAILED],
  ['If-Match: "*" in quotes is no wildcard', { 'if-match': '"*"' }, MATCH_FAILED],
  ['If-Match: an empty list fails', { 'if-match': '' }, MATCH_FAILED],
  ['If-Match: a weak ETag fails, the comparison is strong', { 'if-match': `W/${ETAG}` }, MATCH_FAILED],
  ['If-Match: an ETag without quotes proceeds', { 'if-match': MD5 }, 'proceed'],
  ['If-Match: a list without quotes or spaces proceeds', { 'if-match': `${MD5},abc` }, 'proceed'],
  ['If-Match: an ETag in lower case proceeds', { 'if-match': ETAG.toLowerCase() }, 'proceed'],
  ['If-Match: a prefix of the ETag fails', { 'if-match': `"${MD5.slice(0, 31)}"` }, MATCH_FAILED],
  ['If-Match: the ETag inside a longer one fails', { 'if-match': `"x${MD5}"` }, MATCH_FAILED],

  ['If-Unmodified-Since: the same second proceeds', { 'if-unmodified-since': SAME }, 'proceed'],
  ['If-Unmodified-Since: later proceeds', { 'if-unmodified-since': AFTER }, 'proceed'],
  ['If-Unmodified-Since: the future proceeds', { 'if-unmodified-since': FUTURE }, 'proceed'],
  ['If-Unmodified-Since: earlier fails', { 'if-unmodified-since': BEFORE }, UNMODIFIED_FAILED],
  ['If-Unmodified-Since: malformed is ignored', { 'if-unmodified-since': '2020-01-01' }, 'proceed'],
  ['If-Match that holds silences If-Unmodified-Since', { 'if-match': ETAG, 'if-unmodified-since': BEFORE }, 'proceed'],
  ['If-Match that fails comes first', { 'if-match': OTHER, 'if-unmodified-since': BEFORE }, MATCH_FAILED],

  ['If-None-Match: the ETag is not modified', { 'if-none-match': ETAG }, 'not-modified'],
  ['If-None-Match: another ETag proceeds', { 'if-none-match': OTHER }, 'proceed'],
  ['If-None-Match: a list with the ETag is not modified', { 'if-none-match': `${OTHER}, ${ETAG}` }, 'not-modified'],
  ['If-None-Match: * is not modified', { 'if-none-match': '*' }, 'not-modified'],
  [
    'If-None-Match: a weak ETag is not modified, the comparison is weak',
    { 'if-none-match': `W/${ETAG}` },
    'not-modified',
  ],
  ['If-None-Match: a weak ETag without quotes is not modified', { 'if-none-match': `W/${MD5}` }, 'not-modified'],
  ['If-None-Match: an ETag without quotes is not modified', { 'if-none-match': MD5 }, 'not-modified'],
  ['If-None-Match: an ETag in lower case is not modified', { 'if-none-match': ETAG.toLowerCase() }, 'not-modified'],
  ['If-None-Match: an empty list proceeds', { 'if-none-match': '' }, 'proceed'],
  ['If-None-Match: a comma inside quotes does not end an ETag', { 'if-none-match': `"a,${MD5}"` }, 'proceed'],

  ['If-Modified-Since: the same second is not modified', { 'if-modified-since': SAME }, 'not-modified'],
  ['If-Modified-Since: later is not modified', { 'if-modified-since': AFTER }, 'not-modified'],
  ['If-Modified-Since: earlier proceeds', { 'if-modified-since': BEFORE }, 'proceed'],
  ['If-Modified-Since: the future is ignored', { 'if-modified-since': FUTURE }, 'proceed'],
  [
    'If-Modified-Since: this very second is not the future',
    { 'if-modified-since': new Date(NOW).toUTCString() },
    'not-modified',
  ],
  ['If-Modified-Since: malformed is ignored', { 'if-modified-since': 'yesterday' }, 'proceed'],
  ['If-Modified-Since: asctime is read', { 'if-modified-since': 'Thu Jan  1 12:00:00 2026' }, 'not-modified'],
  ['If-None-Match silences If-Modified-Since', { 'if-none-match': OTHER, 'if-modified-since': SAME }, 'proceed'],
  [
    'If-None-Match decides even when If-Modified-Since would proceed',
    { 'if-none-match': ETAG, 'if-modified-since': BEFORE },
    'not-modified',
  ],

  ['If-Match that holds leaves If-None-Match to decide', { 'if-match': ETAG, 'if-none-match': ETAG }, 'not-modified'],
  ['If-Match that fails comes before If-None-Match', { 'if-match': OTHER, 'if-none-match': ETAG }, MATCH_FAILED],
  [
    'If-Unmodified-Since that fails comes before If-None-Match',
    { 'if-unmodified-since': BEFORE, 'if-none-match': ETAG },
    UNMODIFIED_FAILED,
  ],
  [
    'If-Unmodified-Since that holds leaves If-Modified-Since to decide',
    { 'if-unmodified-since': SAME, 'if-modified-since': SAME },
    'not-modified',
  ],
]

for (const [behaviour, headers, expected] of CONDITIONS) {
  test(behaviour, () => assert.deepEqual(conditionOf(headers, OBJECT, NOW), expected))
}

const IF_RANGES: Rows<string | undefined> = [
  ['applies without one', undefined, true],
  ['applies for the ETag', ETAG, true],
  ['applies for the ETag without quotes, in lower case', MD5.toLowerCase(), true],
  ['does not apply for another ETag', OTHER, false],
  ['does not apply for a weak ETag', `W/${ETAG}`, false],
  ['does not apply for a list', `${OTHER}, ${ETAG}`, false],
  ['does not apply for *', '*', false],
  ['does not apply for an empty value', '', false],
  ['applies for the exact date', SAME, true],
  ['does not apply for a later date', AFTER, false],
  ['does not apply for an earlier date', BEFORE, false],
  ['does not apply for a malformed date', SAME.replace('GMT', 'UTC'), false],
]

for (const [behaviour, ifRange, expected] of IF_RANGES) {
  test(`If-Range: ${behaviour}`, () => assert.equal(rangeApplies(ifRange, OBJECT, NOW), expected))
}

test('a weak ETag of our own never satisfies a strong comparison', () => {
  const weak = { ...OBJECT, etag: `W/${ETAG}` }
  assert.deepEqual(conditionOf({ 'if-match': `W/${ETAG}` }, weak, NOW), MATCH_FAILED)
  assert.equal(rangeApplies(ETAG, weak, NOW), false)
  assert.equal(conditionOf({ 'if-none-match': ETAG }, weak, NOW), 'not-modified')
})

test('an ETag that is not a hash compares with its case', () => {
  const object = { ...OBJECT, etag: '"Abc"' }
  assert.deepEqual(conditionOf({ 'if-match': '"abc"' }, object, NOW), MATCH_FAILED)
  assert.equal(conditionOf({ 'if-match': '"Abc"' }, object, NOW), 'proceed')
})

test('a multipart ETag compares in either case', () => {
  const object = { ...OBJECT, etag: `"${MD5}-400"` }
  assert.equal(conditionOf({ 'if-match': `"${MD5.toLowerCase()}-400"` }, object, NOW), 'proceed')
  assert.deepEqual(conditionOf({ 'if-match': ETAG }, object, NOW), MATCH_FAILED)
})

test('If-Match and If-None-Match are opposites for any strong list, and no text throws', () => {
  const list = fc.oneof(
    fc.array(fc.constantFrom(ETAG, OTHER, MD5, '*', '"', ' ', ',')).map((parts) => parts.join('')),
    fc.string(),
  )
  fc.assert(
    fc.property(list, (text) => {
      const matched = conditionOf({ 'if-match': text }, OBJECT, NOW) === 'proceed'
      const notModified = conditionOf({ 'if-none-match': text }, OBJECT, NOW) === 'not-modified'
      assert.equal(matched, notModified)
    }),
    { numRuns: 3000 },
  )
})

test('a header far longer than Node lets through is read in linear time', () => {
  for (const part of ['"', 'W/', '"a', ', ', 'W/"', 'a']) {
    const started = performance.now()
    conditionOf({ 'if-match': `${part.repeat(100_000)}"` }, OBJECT, NOW)
    assert.ok(performance.now() - started < 2_000, part)
  }
})
