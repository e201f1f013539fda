import assert from 'node:assert/strict'
import { hash } from 'node:crypto'
import { describe, it } from 'node:test'
import { tokenHashOf, tokenTexts } from './token-texts.ts'

const NOW = Date.UTC(2026, 0, 2, 3, 4, 5)

describe('the texts of tokens', () => {
  it('have 192 bits of chance each, the access token after its time', () => {
    const next = tokenTexts()
    const pairs = Array.from({ length: 300 }, () => next(NOW))
    for (const { accessToken, refreshToken } of pairs) {
      assert.match(accessToken, /^[\da-z]{9}[\w-]{32}$/)
      assert.match(refreshToken, /^[\w-]{32}$/)
      assert.equal(Number.parseInt(accessToken.slice(0, 9), 36), NOW)
    }
    const chances = pairs.flatMap(({ accessToken, refreshToken }) => [accessToken.slice(9), refreshToken])
    assert.equal(new Set(chances).size, 600)
  })

  it('are kept in the order of their times, byte by byte, and nothing of their chance is', () => {
    const next = tokenTexts()
    const times = [0, 35, 36, NOW, NOW + 1, NOW + 1000, 36 ** 8 - 1, 36 ** 8, 8.64e13]
    const kept = times.map((at) => tokenHashOf(next(at).accessToken))
    assert.deepEqual(
      kept.toSorted((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b))),
      kept,
    )
    const { accessToken } = next(NOW)
    assert.equal(tokenHashOf(accessToken), accessToken.slice(0, 9) + hash('sha256', accessToken, 'base64url'))
  })

  it('of earlier releases are found by their hash alone', () => {
    const earlier = 'x'.repeat(32)
    assert.equal(tokenHashOf(earlier), hash('sha256', earlier, 'base64url'))
  })
})
