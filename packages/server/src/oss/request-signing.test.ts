import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { describe, it } from 'node:test'
import { type AuthenticationRules, authenticate } from './authenticate.ts'
import { OssFailure } from './failure.ts'
import { type RequestSigning, signedHeaders, signedQuery, type UnsignedRequest } from './request-signing.ts'
import { hmacSha1Key } from './signature.ts'
import { encodeKey, encodeValue } from './target.ts'

interface Vector {
  id: string
  accessKeyId: string
  accessKeySecret: string
  securityToken?: string
  bucket: string
  key: string
  method?: string
  expires?: number
  headers?: Record<string, string>
  subresources?: Record<string, string>
  signature: string
}

const file = new URL('../../../../vectors/oss.json', import.meta.url)
const vectors: { v1: Vector[]; v4: Vector[] } = JSON.parse(readFileSync(file, 'utf8'))
const TOKENS = new Set(['security-token', 'x-oss-security-token'])
const NOW = Date.UTC(2026, 0, 2, 3, 4, 5)

function asked({ method = 'GET', bucket, key, headers = {}, subresources = {} }: Vector): UnsignedRequest {
  const query = new Map(Object.entries(subresources).filter(([name]) => !TOKENS.has(name)))
  return { method, bucket, key, query, headers }
}

function signing(version: 'v1' | 'v4', { accessKeyId, accessKeySecret, securityToken }: Vector): RequestSigning {
  return { version, region: 'cn-hangzhou', credential: { accessKeyId, accessKeySecret, securityToken }, now: NOW }
}

describe('requests to OSS', () => {
  for (const vector of vectors.v1) {
    it(`are signed in the query as ${vector.id} of V1`, () => {
      const securityToken = vector.subresources?.['security-token']
      const rules = signing('v1', { ...vector, ...(securityToken !== undefined && { securityToken }) })
      const query = signedQuery({ ...asked(vector), expiresAt: vector.expires ?? 0 }, rules)
      assert.equal(query.get('Signature'), vector.signature)
      assert.equal(query.get('Expires'), String(vector.expires))
    })
  }

  for (const vector of vectors.v4) {
    it(`are signed in the query as ${vector.id} of V4`, () => {
      const query = signedQuery({ ...asked(vector), expiresAt: NOW / 1000 + 600 }, signing('v4', vector))
      assert.equal(query.get('x-oss-signature'), vector.signature)
    })
  }

  const credential = { accessKeyId: 'AK', accessKeySecret: 'secret', securityToken: 'to+k/en==' }
  const request: UnsignedRequest = {
    method: 'PUT',
    bucket: 'bucket',
    key: "发票/a b+c%20d&e=f(1)~'!*.pdf",
    query: new Map([
      ['uploadId', 'A B+C/='],
      ['partNumber', '1'],
      ['uploads', ''],
      ['prefix', 'x/'],
    ]),
    headers: { 'content-md5': 'XrY7u+Ae7tCTyyK7j1rNww==', 'x-oss-range-behavior': 'standard' },
  }
  const rules: AuthenticationRules = {
    defaultBucket: 'bucket',
    region: 'cn-hangzhou',
    strict: true,
    now: NOW,
    signingKey(accessKeyId, securityToken) {
      assert.deepEqual([accessKeyId, securityToken], [credential.accessKeyId, credential.securityToken])
      return { credential, hmacSha1: hmacSha1Key(credential.accessKeySecret) }
    },
  }
  const targetOf = (query: ReadonlyMap<string, string>) => {
    const pairs = [...query].map(([name, value]) => `${encodeValue(name)}=${encodeValue(value)}`)
    return `/bucket/${encodeKey(request.key)}?${pairs.join('&')}`
  }

  for (const version of ['v1', 'v4'] as const) {
    const of = { version, region: 'cn-hangzhou', credential, now: NOW }

    it(`are read by our own data plane, ${version} in headers`, async () => {
      const headers = signedHeaders(request, of)
      const incoming = { method: 'PUT', target: targetOf(request.query), headers: { ...headers, host: 'localhost' } }
      const { object } = await authenticate(incoming, rules)
      assert.equal(object.key, request.key)
      for (const [name, value] of [
        ['content-md5', 'x'],
        ['x-oss-range-behavior', 'other'],
      ] as const) {
        const changed = { ...incoming, headers: { ...incoming.headers, [name]: value } }
        await assert.rejects(authenticate(changed, rules), OssFailure)
      }
    })

    it(`are read by our own data plane until their very second, ${version} in the query`, async () => {
      const query = signedQuery({ ...request, expiresAt: NOW / 1000 + 60 }, { ...of, now: NOW + 999 })
      const { 'content-md5': _, ...headers } = request.headers
      const again = signedQuery({ ...request, headers, expiresAt: NOW / 1000 + 60 }, { ...of, now: NOW + 999 })
      assert.notDeepEqual(query, again)
      const incoming = { method: 'PUT', target: targetOf(again), headers: { ...headers, host: 'localhost' } }
      const { expiresAt } = await authenticate(incoming, { ...rules, now: NOW + 60_000 })
      assert.equal(expiresAt, NOW + 60_000)
      await assert.rejects(authenticate(incoming, { ...rules, now: NOW + 60_001 }), { code: 'Expired' })
    })
  }
})
