import assert from 'node:assert/strict'
import { it } from 'node:test'
import { openToken, sessionCredential } from './credential.ts'

const key = { id: 7, secret: Buffer.alloc(32, 1) }
const keyOf = (id: number) => (id === key.id ? key : undefined)

it('derives the same credential again, and another one for another epoch, corporation or key', () => {
  const one = sessionCredential(key, 'corporation', 1)
  assert.deepEqual(sessionCredential(key, 'corporation', 1), one)
  assert.match(one.accessKeyId, /^STS\.[A-Za-z0-9]{25}$/)
  for (const other of [
    sessionCredential(key, 'corporation', 2),
    sessionCredential(key, 'corporatiom', 1),
    sessionCredential({ ...key, secret: Buffer.alloc(32, 2) }, 'corporation', 1),
    sessionCredential({ ...key, id: 8 }, 'corporation', 1),
  ]) {
    for (const field of ['accessKeyId', 'accessKeySecret', 'securityToken'] as const)
      assert.notEqual(other[field], one[field])
  }
})

it('opens its own tokens', () => {
  const credential = sessionCredential(key, '企业', 4_294_967_295)
  assert.deepEqual(openToken(credential.securityToken, keyOf), credential)
})

it('opens no token that differs in one bit or in its spelling', () => {
  const { securityToken } = sessionCredential(key, 'company', 1)
  const bytes = Buffer.from(securityToken, 'base64')
  for (let bit = 0; bit < bytes.length * 8; bit++) {
    const flipped = Buffer.from(bytes)
    flipped[bit >> 3] = (flipped[bit >> 3] ?? 0) ^ (1 << (bit & 7))
    assert.equal(openToken(flipped.toString('base64'), keyOf), undefined, `bit ${bit}`)
  }
  for (const wrong of [
    '',
    'x',
    securityToken.slice(1),
    `${securityToken}=`,
    securityToken.replace('=', ''),
    `${securityToken}\n`,
  ]) {
    assert.equal(openToken(wrong, keyOf), undefined, wrong)
  }
})

it('keeps the token far shorter than the one of the seed, which has 504 characters', () => {
  assert.ok(sessionCredential(key, 'x'.repeat(64), 1).securityToken.length < 130)
})
