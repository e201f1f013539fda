import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { Compile } from 'typebox/compile'
import {
  isDocumentAttachmentsRequest,
  isDocumentRequest,
  isDownloadRequests,
  isGetAccessTokenRequest,
  wrongDocumentFields,
  wrongDownloadFields,
} from './checks.ts'
import { MAX_CREDENTIAL_LENGTH, MAX_EXPIRATION_SECONDS, MAX_LISTED_DOCUMENTS, MAX_LOGS } from './limits.ts'
import { DocumentAttachmentsRequest, DocumentRequest, DownloadRequests, GetAccessTokenRequest } from './schemas.ts'

const anything = fc.oneof(
  fc.jsonValue({ maxDepth: 2 }),
  fc.constantFrom('', 'x', 0, 1, 0.5, -1, null, [], {}, MAX_EXPIRATION_SECONDS, MAX_EXPIRATION_SECONDS + 1),
)
const length = fc.constantFrom(1, MAX_CREDENTIAL_LENGTH, MAX_CREDENTIAL_LENGTH + 1, 2 * MAX_CREDENTIAL_LENGTH + 1)
const credential = fc.oneof(
  anything,
  fc.tuple(fc.constantFrom('x', '章', '😀'), length).map(([a, n]) => a.repeat(n)),
)
const name = fc.oneof({ weight: 3, arbitrary: fc.constant('x') }, anything)
const edges = fc.constantFrom(-1, 0, 1, 2, 1.5, MAX_EXPIRATION_SECONDS, MAX_EXPIRATION_SECONDS + 1)
const expiration = fc.oneof({ weight: 9, arbitrary: edges }, anything)
const logs = fc.constantFrom(MAX_LOGS, MAX_LOGS + 1).map((count) => Array(count).fill(0))

/** Objects of these fields, each of them there or not, and things that are none. */
function near(fields: Record<string, fc.Arbitrary<unknown>>): fc.Arbitrary<unknown> {
  return fc.oneof({ weight: 9, arbitrary: fc.record(fields, { requiredKeys: [] }) }, anything)
}

const download = near({ id: name, key: name, expiration, more: anything })
const document = near({
  form: fc.oneof(fc.dictionary(fc.string(), anything), anything),
  params: anything,
  logs: fc.oneof(anything, logs),
  receipts: fc.oneof(fc.array(anything), anything),
})

const CHECKS = [
  [GetAccessTokenRequest, isGetAccessTokenRequest, near({ appKey: credential, appSecurity: credential })],
  [DownloadRequests, isDownloadRequests, fc.oneof(fc.array(download, { maxLength: 3 }), anything)],
  [DocumentRequest, isDocumentRequest, document],
  [
    DocumentAttachmentsRequest,
    isDocumentAttachmentsRequest,
    near({ flowIds: fc.oneof(fc.array(fc.oneof(fc.string(), anything), { maxLength: 3 }), anything) }),
  ],
] as const

describe('the checks of what a service takes', () => {
  for (const [schema, check, values] of CHECKS) {
    it(`agree with the schema: ${check.name}`, () => {
      const compiled = Compile(schema)
      fc.assert(
        fc.property(values, (value) => assert.equal(check(value), compiled.Check(value))),
        { numRuns: 2000 },
      )
    })
  }

  it('name what is missing or wrong', () => {
    assert.deepEqual(wrongDownloadFields({ id: '', expiration: 1 }), ['id', 'key'])
    assert.deepEqual(wrongDownloadFields({ id: 'a', key: 'b', expiration: '1' }), ['expiration'])
    assert.equal(wrongDownloadFields([]), undefined)
    assert.deepEqual(wrongDocumentFields({ params: [], logs: {}, receipts: 1 }), ['form', 'params', 'logs', 'receipts'])
  })

  it('leave the number of listed documents to the service, which tells of it in words of its own', () => {
    assert.ok(isDocumentAttachmentsRequest({ flowIds: Array(MAX_LISTED_DOCUMENTS + 1).fill('x') }))
  })
})
