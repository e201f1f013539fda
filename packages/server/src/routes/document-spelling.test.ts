import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { PATHS } from '@attache/protocol'
import { DocumentRequest } from '@attache/protocol/schemas'
import fc from 'fast-check'
import { Compile } from 'typebox/compile'
import { type TestService, testService } from '../service.fixture.ts'

describe("documents' forms", () => {
  let test: TestService
  before(async () => {
    test = await testService()
  })
  after(() => test[Symbol.asyncDispose]())

  const headers = () => ({ authorization: `Bearer ${test.token}`, 'content-type': 'application/json' })
  const create = (payload: string) =>
    test.ask({ method: 'POST', url: PATHS.createDocument, headers: headers(), payload })
  const byId = (id: string) => test.ask({ url: `${PATHS.document}?flowId=${id}`, headers: headers() })
  const byCode = (code: string) => test.ask({ url: `${PATHS.documentByCode}?code=${code}`, headers: headers() })

  it('keep the spelling of every token, the order of names and unknown fields', async () => {
    await fc.assert(
      fc.asyncProperty(jsonObject, async (form) => {
        const answer = await create(`{"params":null,"form":${form}}`)
        assert.equal(answer.statusCode, 200, answer.body)
        const { id, form: parsed } = answer.json().flow
        const tokens = tokensOf(form)
        const added = [...(tokens.length > 2 ? [','] : []), '"code"', ':', `"${parsed.code}"`]
        const expected = [...tokens.slice(0, -1), ...added, '}']
        for (const { body } of [answer, await byId(id), await byCode(parsed.code)]) {
          const stored = body.slice(body.indexOf('"form":') + '"form":'.length, body.lastIndexOf(',"logs":'))
          assert.deepEqual(tokensOf(stored), expected)
        }
      }),
      { numRuns: 150 },
    )
  })

  it('of a megabyte and 2,000 details are saved and read fast', async (t) => {
    const own = await test.upload('a.txt', Buffer.from('a'))
    const detail = {
      feeTypeId: 'office',
      feeTypeForm: { amount: { standard: '1.10' }, text: '简'.repeat(110), attachments: [own] },
    }
    const body = JSON.stringify({ form: { details: Array.from({ length: 2000 }, () => detail) } })
    assert.ok(Compile(DocumentRequest).Check(JSON.parse(body)))
    const start = performance.now()
    const { id } = (await create(body)).json().flow
    const saved = performance.now()
    const { length } = (await byId(id)).rawPayload
    const read = performance.now()
    t.diagnostic(
      `${Buffer.byteLength(body)} bytes saved in ${Math.round(saved - start)} ms, ${length} read in ${Math.round(read - saved)} ms`,
    )
    assert.ok(length > 1_000_000 && read - start < 5000)
  })
})

const number = fc.oneof(
  fc.constantFrom('1.10', '12345678901234567890', '1e5', '-0', '0.0', '1E+2', '-1.50e-300', '1e400'),
  fc.integer().map(String),
)
const text = fc.oneof(
  fc.string({ unit: 'binary' }).map((value) => JSON.stringify(value)),
  fc.constantFrom('"\\u4e2d"', '"\\/"', '"\\ud800"', '"\\u0000"', '"中🧾"', '"e\u0301"'),
)
// What has a meaning of its own is tested by itself.
const RESERVED = new Set(['code', 'outerCode', 'formType', 'details', 'attachments', '__proto__', 'constructor'])
const name = fc.oneof(
  fc.nat(20).map((value) => `"${value}"`),
  fc.string().map((value) => JSON.stringify(value)),
)
const space = fc.constantFrom('', ' ', '\n  ', '\t')
const { object: jsonObject } = fc.letrec<{ value: string; object: string; array: string }>((tie) => ({
  value: fc.oneof({ maxDepth: 4 }, number, text, fc.constantFrom('true', 'false', 'null'), tie('object'), tie('array')),
  object: fc
    .tuple(
      fc.array(
        fc.tuple(
          name.filter((one) => !RESERVED.has(JSON.parse(one))),
          tie('value'),
        ),
        { maxLength: 6 },
      ),
      space,
    )
    .map(
      ([members, gap]) =>
        `{${gap}${members.map(([key, value]) => `${key}${gap}:${gap}${value}`).join(`${gap},${gap}`)}${gap}}`,
    ),
  array: fc
    .tuple(fc.array(tie('value'), { maxLength: 4 }), space)
    .map(([values, gap]) => `[${gap}${values.join(`,${gap}`)}${gap}]`),
}))

/** The tokens of a JSON text; only the space between them goes. */
function tokensOf(json: string): string[] {
  const tokens = json.match(/"(?:[^"\\]|\\.)*"|[[\]{},:]|[^\s[\]{},:"]+/gs) ?? []
  assert.equal(
    tokens.join('').length,
    json.replace(/"(?:[^"\\]|\\.)*"|\s+/gs, (part) => (part[0] === '"' ? part : '')).length,
  )
  return tokens
}
