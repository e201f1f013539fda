import assert from 'node:assert/strict'
import test from 'node:test'
import fc from 'fast-check'
import { rangeOf } from './range.ts'

type Row = [header: string | undefined, size: number, rfc: string, oss: string]

const HUGE = '9'.repeat(400)

const ROWS: Row[] = [
  [undefined, 10, 'whole', 'whole'],
  ['bytes=0-0', 10, '0-0', '0-0'],
  ['bytes=2-5', 10, '2-5', '2-5'],
  ['bytes=0-9', 10, '0-9', '0-9'],
  ['bytes=9-9', 10, '9-9', '9-9'],
  ['bytes=007-008', 10, '7-8', '7-8'],
  ['BYTES=2-5', 10, '2-5', '2-5'],
  [' bytes=2-5\t', 10, '2-5', '2-5'],
  ['bytes=3-', 10, '3-9', '3-9'],
  ['bytes=0-', 10, '0-9', '0-9'],
  ['bytes=-1', 10, '9-9', '9-9'],
  ['bytes=-10', 10, '0-9', '0-9'],
  ['bytes=2-10', 10, '2-9', 'whole'],
  [`bytes=2-${HUGE}`, 10, '2-9', 'whole'],
  ['bytes=2-9007199254740993', 10, '2-9', 'whole'],
  ['bytes=-11', 10, '0-9', 'whole'],
  [`bytes=-${HUGE}`, 10, '0-9', 'whole'],
  ['bytes=10-', 10, 'unsatisfiable', 'whole'],
  ['bytes=10-12', 10, 'unsatisfiable', 'whole'],
  [`bytes=${HUGE}-`, 10, 'unsatisfiable', 'whole'],
  [`bytes=${HUGE}-${HUGE}`, 10, 'unsatisfiable', 'whole'],
  ['bytes=-0', 10, 'unsatisfiable', 'whole'],
  ['bytes=0-', 0, 'unsatisfiable', 'whole'],
  ['bytes=0-0', 0, 'unsatisfiable', 'whole'],
  ['bytes=-1', 0, 'unsatisfiable', 'whole'],
  ['bytes=-0', 0, 'unsatisfiable', 'whole'],
  ['bytes=5-2', 10, 'whole', 'whole'],
  ['bytes=12-11', 10, 'whole', 'whole'],
  ['bytes=0-1,3-4', 10, 'whole', 'whole'],
  ['bytes=0-1,', 10, 'whole', 'whole'],
  ['bytes=-', 10, 'whole', 'whole'],
  ['bytes=', 10, 'whole', 'whole'],
  ['', 10, 'whole', 'whole'],
  ['0-1', 10, 'whole', 'whole'],
  ['items=0-1', 10, 'whole', 'whole'],
  ['bytes:0-1', 10, 'whole', 'whole'],
  ['bytes=0-1-2', 10, 'whole', 'whole'],
  ['bytes=--1', 10, 'whole', 'whole'],
  ['bytes=+0-1', 10, 'whole', 'whole'],
  ['bytes=0x0-0x1', 10, 'whole', 'whole'],
  ['bytes=1e0-2', 10, 'whole', 'whole'],
  ['bytes=０-１', 10, 'whole', 'whole'],
  ['bytes=a-b', 10, 'whole', 'whole'],
]

const words = (range: ReturnType<typeof rangeOf>) =>
  typeof range === 'string' ? range : `${range.first}-${range.last}`

for (const [header, size, rfc, oss] of ROWS) {
  const name =
    header !== undefined && header.length > 40 ? `${header.slice(0, 20)}… (${header.length} characters)` : header
  test(`reads ${JSON.stringify(name)} of ${size} bytes as ${rfc} by RFC 9110 and as ${oss} by OSS`, () => {
    assert.equal(words(rangeOf(header, size, 'rfc')), rfc)
    assert.equal(words(rangeOf(header, size, 'oss')), oss)
  })
}

const digits = fc.oneof(fc.nat(30).map(String), fc.bigInt({ min: 0n, max: 1n << 200n }).map(String), fc.constant(''))
const header = fc.oneof(
  fc.tuple(digits, digits).map(([from, to]) => `bytes=${from}-${to}`),
  fc.string(),
)
const size = fc.oneof(fc.nat(30), fc.maxSafeNat())

test('never answers a range that leaves the blob, whatever is asked', () => {
  fc.assert(
    fc.property(header, size, fc.constantFrom('rfc', 'oss'), (asked, bytes, behaviour) => {
      const range = rangeOf(asked, bytes, behaviour)
      if (typeof range === 'string') return range === 'whole' || behaviour === 'rfc'
      const { first, last } = range
      return [first, last].every(Number.isSafeInteger) && 0 <= first && first <= last && last < bytes
    }),
    { numRuns: 5000 },
  )
})

test('OSS answers a range only where RFC 9110 answers the same one', () => {
  fc.assert(
    fc.property(header, size, (asked, bytes) => {
      const oss = rangeOf(asked, bytes, 'oss')
      if (oss !== 'whole') assert.deepEqual(oss, rangeOf(asked, bytes, 'rfc'))
    }),
    { numRuns: 5000 },
  )
})
