import assert from 'node:assert/strict'
import { createHmac } from 'node:crypto'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { keyedHash } from './keyed-hash.ts'

describe('a keyed hash', () => {
  it('is HMAC-SHA256, whatever the lengths of key and text', () => {
    const key = fc.uint8Array({ minLength: 0, maxLength: 200 })
    const text = fc.string({ unit: 'binary', maxLength: 300 })
    fc.assert(
      fc.property(key, fc.array(text, { minLength: 1, maxLength: 3 }), (bytes, texts) => {
        const hashed = keyedHash(bytes)
        for (const one of texts) {
          assert.equal(hashed(one), createHmac('sha256', bytes).update(one).digest('base64url'))
        }
      }),
    )
  })
})
