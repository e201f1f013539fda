/** C2: a bad name is refused with the published sentence, any other comes back byte for byte from every place. */
import assert from 'node:assert/strict'
import fc from 'fast-check'
import { PATHS } from '../../packages/protocol/src/index.ts'
import { form } from '../../packages/server/src/service.fixture.ts'
import type { Uploaded } from '../server.ts'
import { type Answer, type Inside, type Insider, openInside } from './b-inside.ts'
import { row, type Stage, type Verdict } from './stage.ts'

const SENTENCE = '参数name不能为空，且必须为合法的文件名'
const AWKWARD = [
  ...".-_ ~'`!@#$%^&()+=[]{};,",
  '简',
  'é',
  'e\u0301',
  '😀',
  '\u202e',
  '\u200d',
  '\ufeff',
  '\u00a0',
  '\u2028',
  'ß',
  'İ',
]

const anyName = fc.oneof(
  {
    weight: 3,
    arbitrary: fc.string({
      unit: fc.oneof(fc.constantFrom(...AWKWARD), fc.string({ unit: 'binary', minLength: 1, maxLength: 1 })),
      minLength: 1,
      maxLength: 40,
    }),
  },
  { weight: 1, arbitrary: fc.string({ unit: 'binary', maxLength: 300 }) },
  {
    weight: 1,
    arbitrary: fc.string({ unit: fc.constantFrom(...'a简😀\ud800?\\/*<>:"|\n\0\x7f\x85.', ...AWKWARD), maxLength: 12 }),
  },
  { weight: 1, arbitrary: fc.integer({ min: 240, max: 270 }).map((length) => 'x'.repeat(length)) },
)

async function prove({ directory, seed, full, defer }: Stage): Promise<Verdict> {
  const on = await openInside({ directory, env: { ATTACHE_DURABILITY: 'relaxed' } })
  defer(() => on.close())
  const own = await on.corporation('own')
  const count = { good: 0, bad: 0 }
  const numRuns = full ? 20_000 : 2000
  await fc.assert(
    fc.asyncProperty(anyName, async (name) => {
      const answer = await send(on, own, name)
      if (isName(name)) {
        count.good++
        assert.equal(answer.statusCode, 200, answer.body)
        await comesBack({ on, own, name }, answer.json().value)
      } else {
        count.bad++
        assert.deepEqual([answer.statusCode, answer.json().errorMessage], [400, SENTENCE])
      }
    }),
    { seed, numRuns },
  )
  const figure = `${count.good} good names byte-exact through upload, document, links, GET and Content-Disposition; ${count.bad} bad ones refused with the published sentence`
  return { ok: count.good > numRuns / 4 && count.bad > numRuns / 20, figure }
}

/** The contract's rule, spelled out character by character. */
function isName(name: string): boolean {
  if (!name.isWellFormed() || name === '.' || name === '..') return false
  const length = new TextEncoder().encode(name).length
  const allowed = (character: string) => {
    const code = character.codePointAt(0) ?? 0
    return code >= 0x20 && !(code >= 0x7f && code <= 0x9f) && !'?\\/*<>:"|'.includes(character)
  }
  return length >= 1 && length <= 255 && Array.from(name).every(allowed)
}

function send({ ask }: Inside, { token }: Insider, name: string): Promise<Answer> {
  // Half of a surrogate pair has no UTF-8: it goes as the three bytes that its number would have.
  const bytes = name.isWellFormed() ? Buffer.from(name) : Buffer.concat(Array.from(name, threeBytes))
  const { headers, payload } = form([
    { field: 'name', value: 'NAME' },
    { field: 'file', value: Buffer.from(name) },
  ])
  const at = payload.indexOf('NAME')
  const body = Buffer.concat([payload.subarray(0, at), bytes, payload.subarray(at + 4)])
  return ask({ method: 'POST', url: `${PATHS.upload}?accessToken=${token}`, headers, payload: body })
}

function threeBytes(character: string): Buffer {
  if (character.isWellFormed()) return Buffer.from(character)
  const code = character.charCodeAt(0)
  return Buffer.from([0xe0 | (code >> 12), 0x80 | ((code >> 6) & 0x3f), 0x80 | (code & 0x3f)])
}

interface Place {
  on: Inside
  own: Insider
  name: string
}

async function comesBack({ on, own, name }: Place, { fileId, key, fileName }: Uploaded): Promise<void> {
  assert.equal(fileName, name)
  assert.equal(key.split('-').slice(5).join('-'), name)
  const triple = { key, fileId, fileName }
  const saved = await own.call(PATHS.createDocument, { form: { title: name, attachments: [triple] } })
  assert.equal(saved.statusCode, 200, saved.body)
  const { code } = saved.json().flow.form
  const found = await own.call(`${PATHS.documentByCode}?code=${code}`, undefined, 'GET')
  assert.deepEqual(found.json().value.form.attachments[0], triple)
  const [link] = await own.links([{ id: fileId, key, expiration: 100 }])
  assert.deepEqual([link?.id, link?.key], [fileId, key])
  const answer = await on.ask({ url: link?.url.replace('http://attache.test', '') ?? '' })
  assert.equal(answer.statusCode, 200, answer.body)
  assert.ok(answer.rawPayload.equals(Buffer.from(name)))
  const disposition = String(answer.headers['content-disposition'])
  assert.match(disposition, /^[\x20-\x7e]+$/)
  assert.equal(decodeURIComponent(/filename\*=UTF-8''(\S+)$/.exec(disposition)?.[1] ?? ''), name)
}

await row('C2', prove)
