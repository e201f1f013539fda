import assert from 'node:assert/strict'
import { createHmac } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import {
  hmacSha1Key,
  isSubResource,
  sameSignature,
  signV1,
  signV4,
  stringToSignV1,
  stringToSignV4,
} from './signature.ts'

interface VectorV1 {
  id: string
  note: string
  accessKeySecret: string
  method: string
  bucket: string
  key: string
  expires: number
  subresources: Record<string, string>
  securityToken?: string
  headers: Record<string, string>
  stringToSign: string
  signature: string
}

interface VectorV4
  extends Pick<VectorV1, 'id' | 'note' | 'accessKeySecret' | 'bucket' | 'key' | 'signature' | 'securityToken'> {
  accessKeyId: string
  subresources?: Record<string, string>
}

const file = new URL('../../../../vectors/oss.json', import.meta.url)
const vectors: { v1: VectorV1[]; v4: VectorV4[] } = JSON.parse(readFileSync(file, 'utf8'))

describe('V1 signatures', () => {
  for (const vector of vectors.v1) {
    it(`gives the known signature of ${vector.id}, ${vector.note}`, () => {
      const { method, bucket, key, expires, subresources, headers, accessKeySecret } = vector
      const text = stringToSignV1({
        method,
        bucket,
        key,
        expires: String(expires),
        query: new Map(Object.entries(subresources)),
        headers,
      })
      assert.equal(text, vector.stringToSign)
      assert.equal(signV1(hmacSha1Key(accessKeySecret), text), vector.signature)
    })
  }

  it('gives the signatures that other SDKs publish', () => {
    const query = new Map([['versionId', 'versionId']])
    const plain = { method: 'GET', bucket: 'bucket', key: 'key', expires: '1699807420', query }
    assert.equal(signV1(hmacSha1Key('sk'), stringToSignV1(plain)), 'dcLTea+Yh9ApirQ8o8dOPqtvJXQ=')
    const withToken = {
      ...plain,
      key: 'key+123',
      expires: '1699808204',
      query: new Map([...query, ['security-token', 'token']]),
    }
    assert.equal(signV1(hmacSha1Key('sk'), stringToSignV1(withToken)), 'jzKYRrM5y6Br0dRFPaTGOsbrDhY=')
  })

  it('signs request headers that begin with x-oss-, sorted, before the resource', () => {
    const headers = { 'x-oss-meta-b': ' 2 ', host: 'h', 'x-oss-date': '1', 'content-md5': 'M', 'content-type': 'T' }
    const text = stringToSignV1({ method: 'PUT', bucket: 'b', key: 'k', expires: 'D', headers })
    assert.equal(text, 'PUT\nM\nT\nD\nx-oss-date:1\nx-oss-meta-b:2\n/b/k')
  })

  it('writes a sub-resource without a value as its bare name and leaves the others out', () => {
    const query = new Map([
      ['uploads', ''],
      ['prefix', 'p'],
      ['utm', 'x'],
      ['acl', ''],
    ])
    assert.equal(
      stringToSignV1({ method: 'GET', bucket: 'b', key: '', expires: '1', query }),
      'GET\n\n\n1\n/b/?acl&uploads',
    )
    assert.equal(isSubResource('x-oss-anything'), true)
    assert.equal(isSubResource('list-type'), false)
  })

  it('is HMAC-SHA1 for every secret and text', () => {
    fc.assert(
      fc.property(
        fc.string({ unit: 'binary', maxLength: 200 }),
        fc.string({ unit: 'grapheme', maxLength: 6000 }),
        (secret, text) => {
          assert.equal(
            signV1(hmacSha1Key(secret), text),
            createHmac('sha1', secret).update(text, 'utf8').digest('base64'),
          )
        },
      ),
      { numRuns: 500 },
    )
  })
})

describe('V4 signatures', () => {
  for (const { id, note, ...vector } of vectors.v4) {
    it(`gives the known signature of ${id}, ${note}`, () => {
      const scope = '20260102/cn-hangzhou/oss/aliyun_v4_request'
      const query = new Map([
        ['x-oss-signature-version', 'OSS4-HMAC-SHA256'],
        ['x-oss-credential', `${vector.accessKeyId}/${scope}`],
        ['x-oss-date', '20260102T030405Z'],
        ['x-oss-expires', '600'],
        ...Object.entries(vector.subresources ?? {}),
        ...(vector.securityToken ? [['x-oss-security-token', vector.securityToken] as const] : []),
      ])
      const { bucket, key } = vector
      const text = stringToSignV4({
        method: 'GET',
        bucket,
        key,
        date: '20260102T030405Z',
        scope,
        query,
        headers: {},
        additionalHeaders: [],
      })
      assert.equal(signV4(vector.accessKeySecret, scope, text), vector.signature)
    })
  }
})

describe('comparing signatures', () => {
  it('accepts one spelling only', () => {
    const right = 'umdqjlRgJ0C5GA29h3vjQGW+S90='
    assert.equal(sameSignature(right, right), true)
    for (const wrong of [
      'umdqjlRgJ0C5GA29h3vjQGW+S90',
      'umdqjlRgJ0C5GA29h3vjQGW-S90=',
      'umdqjlRgJ0C5GA29h3vjQGW+S91=',
      ' umdqjlRgJ0C5GA29h3vjQGW+S90=',
      right.toLowerCase(),
      '',
      right + right,
      `${right.slice(0, -1)}\u013d`,
    ]) {
      assert.equal(sameSignature(right, wrong), false, wrong)
    }
  })
})
