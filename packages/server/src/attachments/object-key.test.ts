import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import test from 'node:test'
import fc from 'fast-check'
import { faultOfName, nameOfKey, newBlobId, newFileId, objectKey } from './object-key.ts'

const GOOD = [
  'a',
  'kotlin简介.docx',
  '发票 扫描件 (1)+a&b=c%20#.pdf',
  '😀👨‍👩‍👧.png',
  'é.txt',
  'e\u0301.txt',
  '...',
  '.gitignore',
  '-rf',
  "it's.txt",
  ' ',
  '\u00a0',
  '\u2028',
  'a'.repeat(255),
  '简'.repeat(85),
  '😀'.repeat(63),
]

const isFileName = (name: string) => faultOfName(name) === undefined

for (const name of GOOD) test(`accepts ${describe(name)}`, () => assert.equal(isFileName(name), true))

const BAD = [
  '',
  '.',
  '..',
  ...Array.from('?\\/*<>:"|', (character) => `a${character}b`),
  'a?',
  'a\0',
  'a\r\nb',
  '\t',
  'a\x1b',
  'a\x7f',
  'a\x80',
  'a\x85b',
  'a\x9f',
  '\ud83d',
  '\ude00\ud83d',
  'a'.repeat(256),
  '简'.repeat(86),
  '😀'.repeat(64),
]

for (const name of BAD) test(`refuses ${describe(name)}`, () => assert.equal(isFileName(name), false))

function describe(name: string): string {
  return name.length > 40
    ? `${name.length} times ${String.fromCodePoint(name.codePointAt(0) ?? 0)}`
    : JSON.stringify(name)
}

const anyName = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 300 }),
  fc.string({ unit: fc.nat(0xff).map((code) => String.fromCharCode(code)) }),
  fc.string({ unit: fc.constantFrom(...'.-a简😀\ud800?/\\*<>:"|\n\x7f\x9f'), maxLength: 8 }),
)

test('agrees with the rule spelled out character by character', () => {
  fc.assert(
    fc.property(anyName, (name) => {
      const allowed = Array.from(name).every((character) => {
        const code = character.codePointAt(0) ?? 0
        const control = code < 0x20 || (code >= 0x7f && code <= 0x9f)
        const surrogate = code >= 0xd800 && code <= 0xdfff
        return !control && !surrogate && !'?\\/*<>:"|'.includes(character)
      })
      const length = new TextEncoder().encode(name).length
      assert.equal(isFileName(name), allowed && length >= 1 && length <= 255 && !['.', '..'].includes(name))
    }),
    { numRuns: 5000 },
  )
})

test("has the seed's shape", () => {
  const key = objectKey('0306c2d1-7a5b-4e96-8172-60c5ee0f971e', 'kotlin简介.docx')
  assert.equal(key, 'openapi0306c2d1-7a5b-4e96-8172-60c5ee0f971e-kotlin简介.docx')
})

test('gives back any name, hyphens and all', () => {
  fc.assert(
    fc.property(fc.string({ unit: fc.constantFrom('-', 'a', '简', '😀', '.') }), (name) => {
      assert.equal(nameOfKey(objectKey(randomUUID(), name)), name)
    }),
  )
})

test('gives no name for a key that is not ours', () => {
  for (const key of ['', 'a', 'a-b-c-d-e', 'openapi0306c2d1-7a5b-4e96-8172-60c5ee0f971e'])
    assert.equal(nameOfKey(key), '')
})

test('keys of accepted names stay far below the 1023 bytes of OSS and open no path', () => {
  const name = fc.string({ unit: 'binary', maxLength: 255 }).filter(isFileName)
  fc.assert(
    fc.property(name, (accepted) => {
      const key = objectKey(randomUUID(), accepted)
      assert.ok(Buffer.byteLength(key) <= 299)
      assert.doesNotMatch(key, /[\\/]/)
    }),
  )
})

test('a file id is 22 characters that never begin with a hyphen, at any time', () => {
  const time = fc.oneof(
    fc.maxSafeNat(),
    fc.nat(2 ** 31).map((n) => Date.UTC(2020, 0) + n * 1000),
  )
  const random = fc.uint8Array({ minLength: 10, maxLength: 10 })
  fc.assert(
    fc.property(time, random, (now, bytes) =>
      assert.match(
        newFileId(now, () => bytes),
        /^[A-Za-z\d_][\w-]{21}$/,
      ),
    ),
    { numRuns: 5000 },
  )
})

test('a file id holds its millisecond and its random bits', () => {
  const random = Uint8Array.from({ length: 10 }, (_, i) => 250 - i)
  const now = Date.UTC(2026, 0, 2, 3, 4, 5, 678)
  const bytes = Buffer.from(
    newFileId(now, () => random),
    'base64url',
  )
  assert.equal(bytes.readUIntBE(0, 6), now)
  assert.deepEqual(Uint8Array.from(bytes.subarray(6)), random)
})

test('file ids of one minute share a prefix', () => {
  const noon = Date.UTC(2026, 0, 2, 12)
  assert.equal(newFileId(noon).slice(0, 4), newFileId(noon + 59_999).slice(0, 4))
})

test('ids do not repeat within one millisecond', () => {
  assert.equal(new Set(Array.from({ length: 20_000 }, () => newFileId(0))).size, 20_000)
  assert.equal(new Set(Array.from({ length: 20_000 }, newBlobId)).size, 20_000)
})

test('a blob id is 32 lower-case hexadecimal digits', () => {
  for (let i = 0; i < 100; i++) assert.match(newBlobId(), /^[\da-f]{32}$/)
})
