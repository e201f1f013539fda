import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { elementsOf, isDeeperThan, memberEdits, memberOf, membersOf, type Span, valueAt, withEdits } from './json.ts'

/** Any JSON, with space where space may be. */
const spacedJson = fc
  .tuple(fc.jsonValue({ maxDepth: 5 }), fc.constantFrom('', ' ', '\n\t', '\r\n  '))
  .map(
    ([value, space]) =>
      `${space}${JSON.stringify(value, null, space.trim() === '' ? space.replaceAll('\r', '') : 0)}${space}`,
  )

const at = (text: string, { start, end }: Span) => text.slice(start, end)

describe('JSON as text', () => {
  it('tells how deep it is, but for brackets in strings', () => {
    assert.equal(isDeeperThan(2, '[[]]'), false)
    assert.equal(isDeeperThan(2, '[{"a":[]}]'), true)
    assert.equal(isDeeperThan(1, '["[[[\\"[["]'), false)
    assert.equal(isDeeperThan(1, '[],{}'), false)
  })

  it('finds where each value ends', () => {
    for (const value of [
      '1',
      '-1.50e+10',
      'true',
      'null',
      '""',
      '"a\\"]}"',
      '"\\\\"',
      '[]',
      '{}',
      '[1,[2,"]"]]',
      '{"a":{"}":"\\\\"}}',
    ]) {
      for (const after of ['', ' ', ',', ']', '}', '\n']) {
        assert.equal(at(` \t${value}${after}`, valueAt(` \t${value}${after}`)), value)
      }
    }
  })

  it('ends with the text when it is cut off', () => {
    for (const text of ['"abc', '[1, 2', '{"a": "b', '']) assert.ok(valueAt(text).end >= text.length)
  })

  it('lists members and elements as JSON.parse reads them', () => {
    const visit = (text: string, span: Span): unknown => {
      const first = text[span.start]
      if (first === '[') return elementsOf(text, span).map((element) => visit(text, element))
      if (first !== '{') return JSON.parse(at(text, span))
      return Object.fromEntries(membersOf(text, span).map((member) => [member.name, visit(text, member)]))
    }
    fc.assert(
      fc.property(spacedJson, (text) => {
        assert.deepEqual(visit(text, valueAt(text)), JSON.parse(text))
      }),
      { numRuns: 500 },
    )
  })

  it('takes the last of members with one name, however the name is spelt', () => {
    const text = '{"a":1,"\\u0061":2,"b":3}'
    const member = memberOf(text, valueAt(text), 'a')
    assert.equal(member && at(text, member), '2')
    assert.equal(memberOf(text, valueAt(text), 'c'), undefined)
  })

  it('changes values where they stand, adds others at the end, and touches nothing else', () => {
    const set = (text: string, values: Record<string, string>) =>
      withEdits(text, memberEdits(text, valueAt(text), new Map(Object.entries(values))))
    assert.equal(set('{}', { a: '1' }), '{"a":1}')
    assert.equal(set('{ \n }', { a: '1', b: '[]' }), '{"a":1,"b":[] \n }')
    assert.equal(set('{ "x": 1.10, "y" : [ 2 ] }', { x: '1e5', 'q"': 'null' }), '{ "x": 1e5, "y" : [ 2 ],"q\\"":null }')
    assert.equal(set('{"a":1}', { a: '2', b: '3' }), '{"a":2,"b":3}')
    assert.equal(set('{"a":1}', {}), '{"a":1}')
  })

  it('gives what an assignment to the object gives', () => {
    const objects = fc.dictionary(fc.string(), fc.jsonValue({ maxDepth: 2 }))
    fc.assert(
      fc.property(objects, objects, (object, given) => {
        const text = JSON.stringify(object, null, 1)
        const values = new Map(Object.entries(given).map(([name, value]) => [name, JSON.stringify(value)]))
        const edited = JSON.parse(withEdits(text, memberEdits(text, valueAt(text), values)))
        assert.deepEqual(edited, JSON.parse(JSON.stringify({ ...object, ...given })))
      }),
    )
  })
})
