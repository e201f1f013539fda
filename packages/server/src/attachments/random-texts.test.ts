import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { randomTexts } from './random-texts.ts'

describe('random texts', () => {
  it('are of the length that was asked for, and never the same, however many are taken', () => {
    const next = randomTexts(24)
    const texts = Array.from({ length: 1000 }, next)
    for (const text of texts) assert.match(text, /^[\w-]{32}$/)
    assert.equal(new Set(texts).size, texts.length)
  })

  it('hold chance in each of their places', () => {
    const next = randomTexts(24)
    const texts = Array.from({ length: 500 }, next)
    for (let place = 0; place < 32; place++) assert.ok(new Set(texts.map((text) => text[place])).size > 32)
  })
})
