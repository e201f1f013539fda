import assert from 'node:assert/strict'
import { it } from 'node:test'
import fc from 'fast-check'
import { encodeKey, encodeValue, parseTarget, readingsOf } from './target.ts'

it('splits at the first question mark and takes the first of repeated parameters', () => {
  const { rawPath, query } = parseTarget('/b/k?a=1&a=2&b=%2B+%20&c&d=x?y&=e&&f=%zz')
  assert.equal(rawPath, '/b/k')
  assert.deepEqual(
    [...query],
    [
      ['a', '1'],
      ['b', '+  '],
      ['c', ''],
      ['d', 'x?y'],
      ['', 'e'],
      ['f', '%zz'],
    ],
  )
})

it('keeps what a router would normalise', () => {
  assert.deepEqual(readingsOf('/b/../x//y%2F%252F', 'localhost', 'b'), [
    { bucket: 'b', key: '../x//y/%2F' },
    { bucket: 'b', key: 'b/../x//y/%2F' },
  ])
})

it('reads a path by path style, by host and by custom domain', () => {
  assert.deepEqual(readingsOf('/attache/k', 'attache.example.com:80', 'attache'), [
    { bucket: 'attache', key: 'k' },
    { bucket: 'attache', key: 'attache/k' },
  ])
  assert.deepEqual(readingsOf('/k', 'ekuaibao.oss-cn-hangzhou.aliyuncs.com', 'attache'), [
    { bucket: 'ekuaibao', key: 'k' },
    { bucket: 'attache', key: 'k' },
    { bucket: 'k', key: '' },
  ])
  assert.deepEqual(readingsOf('/k', '127.0.0.1:8', 'attache'), [
    { bucket: 'attache', key: 'k' },
    { bucket: 'k', key: '' },
  ])
  assert.deepEqual(readingsOf('/k', '[::1]:8', 'attache')?.length, 2)
})

it('offers a plus in the path as itself and as a space', () => {
  assert.deepEqual(
    readingsOf('/attache/a+b', 'localhost', 'attache')?.map(({ key }) => key),
    ['a+b', 'attache/a+b', 'a b', 'attache/a b'],
  )
})

it('has no reading of a path that is no UTF-8', () => {
  assert.equal(readingsOf('/b/%', 'localhost', 'b'), undefined)
  assert.equal(readingsOf('/b/%ff', 'localhost', 'b'), undefined)
})

it('encodes a key so that it reads back, and leaves nothing that a client would rewrite', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme', minLength: 1 }), (key) => {
      const encoded = encodeKey(key)
      assert.match(encoded, /^[\w.\-%/]*$/)
      assert.equal(readingsOf(`/b/${encoded}`, 'localhost', 'b')?.[0]?.key, key)
      assert.equal(parseTarget(`/?v=${encodeValue(key)}`).query.get('v'), key)
    }),
  )
  assert.equal(
    encodeKey("发票/a b+c%20d&e=f(1)~'!*.pdf"),
    '%E5%8F%91%E7%A5%A8/a%20b%2Bc%2520d%26e%3Df%281%29%7E%27%21%2A.pdf',
  )
})
