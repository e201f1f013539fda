import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { scrubber } from './secrets.ts'

describe('what is scrubbed', () => {
  const scrub = scrubber(() => ['s3cret/+='])
  const cases: [string, string][] = [
    ['a s3cret/+= b s3cret%2F%2B%3D', 'a … b …'],
    ['GET https://h/k.pdf?Expires=1&Signature=abc%3D now', 'GET https://h/k.pdf?… now'],
    ['/api/x?accessToken=abc&more=1', '/api/x?accessToken=…&more=1'],
    ['{"accessToken":"abc","name":"x"}', '{"accessToken":"…","name":"x"}'],
    ['no secrets: 参数name不能为空', 'no secrets: 参数name不能为空'],
  ]
  for (const [text, clean] of cases) it(text, () => assert.equal(scrub(text), clean))

  it('leaves JSON inside JSON readable', () => {
    const inner = JSON.stringify({ refreshToken: 'abc', url: 'https://h/?a=b', name: 'x' })
    const { said } = JSON.parse(scrub(JSON.stringify({ said: inner })))
    assert.deepEqual(JSON.parse(said), { refreshToken: '…', url: 'https://h/?…', name: 'x' })
  })
})
