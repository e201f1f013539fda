import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { elementsOf, textOf, xmlOf } from './xml.ts'

describe('XML of OSS', () => {
  it('writes elements in elements', () => {
    const xml = xmlOf('A', [
      ['B', 'x & y'],
      ['C', [['D', 1]]],
    ])
    assert.equal(
      xml,
      '<?xml version="1.0" encoding="UTF-8"?>\n<A>\n  <B>x &amp; y</B>\n  <C>\n    <D>1</D>\n  </C>\n</A>\n',
    )
  })

  it('finds what it wrote, whatever the text', () => {
    const text = fc
      .string({ unit: 'binary', maxLength: 20 })
      .filter((value) => !/[\0-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]/.test(value))
    fc.assert(
      fc.property(fc.array(text, { maxLength: 5 }), (values) => {
        const xml = xmlOf(
          'Root',
          values.map((value) => ['Item', [['Value', `|${value}|`]]] as const),
        )
        const found = elementsOf(xml, 'Item').map((item) => textOf(item, 'Value'))
        assert.deepEqual(
          found,
          values.map((value) => `|${value}|`),
        )
      }),
    )
  })

  it('reads what others write: attributes, empty elements, references of all kinds', () => {
    const xml =
      '<R xmlns="x"><Key  a="1">a&#x31;&#50;&amp;lt;&unknown;&#xffffff;</Key><Empty/><Empty /><Keys>no</Keys></R>'
    assert.equal(textOf(xml, 'Key'), 'a12&lt;&unknown;&#xffffff;')
    assert.deepEqual(elementsOf(xml, 'Empty'), ['', ''])
    assert.deepEqual(elementsOf(xml, 'Key').length, 1)
    assert.equal(textOf(xml, 'None'), undefined)
  })

  it('stops at an element that does not end, in time that grows with the text', () => {
    const started = performance.now()
    assert.deepEqual(elementsOf('<Part>'.repeat(200_000), 'Part'), [])
    assert.ok(performance.now() - started < 1000)
  })
})
