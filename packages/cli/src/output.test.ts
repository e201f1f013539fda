import assert from 'node:assert/strict'
import { test } from 'node:test'
import { output } from './output.ts'

test('a key goes to a program as it is, and to a person without what turns the text or the cursor', () => {
  const key = 'openapi- a\u202eb\u2028c '
  const shown = (isTTY: boolean) => {
    const stdout = Object.assign(Object.create(process.stdout), { isTTY })
    const { stderr } = process
    return output({ stdout, stderr, json: false, quiet: false, say: ({ en }) => en }).shown
  }
  assert.equal(shown(false)(key), key)
  assert.equal(shown(true)(key), 'openapi- a\ufffdb\ufffdc ')
  for (const isTTY of [false, true])
    assert.equal(shown(isTTY)('a\tb\nc\rd\u001b\u0085'), 'a\ufffdb\ufffdc\ufffdd\ufffd\ufffd')
})
