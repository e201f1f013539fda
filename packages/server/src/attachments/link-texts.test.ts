import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { hmacSha1Key } from '../oss/signature.ts'
import type { AttachmentRecord } from '../records/record-store.ts'
import { linkTexts } from './link-texts.ts'
import { linkSigner } from './links.ts'

const PLACE = { bucket: 'attache', linkUrl: () => 'https://files.例.test/a"b/attache' }
const text = fc.string({ unit: 'binary', minLength: 1 }).filter((one) => one.isWellFormed())

function signerOf(accessKeyId: string, securityToken: string) {
  const accessKeySecret = `${accessKeyId}${securityToken}`
  return { credential: { accessKeyId, accessKeySecret, securityToken }, hmacSha1: hmacSha1Key(accessKeySecret) }
}

describe('link texts', () => {
  it('are byte for byte what JSON.stringify makes of the links that linkSigner signs', () => {
    const [textOf, sign] = [linkTexts(PLACE), linkSigner(PLACE)]
    fc.assert(
      fc.property(text, text, fc.base64String({ minLength: 4 }), fc.nat(), (fileId, key, token, expires) => {
        const signer = signerOf(`STS.${token.slice(0, 4)}`, token)
        const record = { fileId, key, linkEpoch: 0 } as AttachmentRecord
        const expected = JSON.stringify({ id: fileId, key, ...sign(signer, record, expires) })
        for (let again = 0; again < 2; again++) {
          assert.equal(Buffer.from(textOf(signer, record, expires), 'latin1').toString('utf8'), expected)
        }
      }),
      { numRuns: 500 },
    )
  })

  it('have one character for each byte, also where a text is longer than the buffer that is kept for it', () => {
    const record = { fileId: 'ID', key: '票'.repeat(20_000), linkEpoch: 0 } as AttachmentRecord
    const signer = signerOf('STS.id', 'dG9rZW4=')
    const found = linkTexts(PLACE)(signer, record, 1)
    assert.ok(/^[\0-\xff]*$/.test(found))
    const { url } = JSON.parse(Buffer.from(found, 'latin1').toString())
    assert.equal(url, linkSigner(PLACE)(signer, record, 1).url)
  })
})
