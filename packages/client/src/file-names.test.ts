import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { foldedName, nameInKey, safeFileName, uniqueName } from './file-names.ts'

describe('a safe file name', () => {
  const cases: [string, string][] = [
    ['发票 2026.pdf', '发票 2026.pdf'],
    ['a/b\\c:d*e?f"g<h>i|j.txt', 'a_b_c_d_e_f_g_h_i_j.txt'],
    ['../../etc/passwd', '.._.._etc_passwd'],
    ['..', 'file'],
    ['', 'file'],
    ['   ', 'file'],
    ['name. . .', 'name'],
    [' .gitignore', '.gitignore'],
    ['CON', '_CON'],
    ['con.txt', '_con.txt'],
    ['COM¹.log', '_COM¹.log'],
    ['console.txt', 'console.txt'],
    ['nul\u0000.txt', 'nul_.txt'],
    ['invoice\u202efdp.exe', 'invoice_fdp.exe'],
    ['a.pdf.part', 'a.pdf.part_'],
    ['a.pdf.PART.json', 'a.pdf.PART.json_'],
    ['\ud800x.txt', '_x.txt'],
    [`${'发'.repeat(100)}.docx`, `${'发'.repeat(65)}.docx`],
    [`${'👍🏽'.repeat(40)}.png`, `${'👍🏽'.repeat(24)}👍.png`],
  ]
  for (const [name, safe] of cases)
    it(`of ${JSON.stringify(name)} is ${JSON.stringify(safe)}`, () => assert.equal(safeFileName(name), safe))

  it('is safe for any name, and its own safe name', () => {
    fc.assert(
      fc.property(
        fc.oneof(fc.string({ unit: 'binary', maxLength: 300 }), fc.string({ unit: 'grapheme', maxLength: 300 })),
        (name) => {
          const safe = safeFileName(name)
          assert.doesNotMatch(safe, /[<>:"/\\|?*\x00-\x1f]|[ .]$|^\.{1,2}$/)
          assert.ok(safe.length > 0 && Buffer.byteLength(safe) <= 204 && safe.isWellFormed())
          assert.equal(safeFileName(safe), safe)
        },
      ),
      { numRuns: 2000 },
    )
  })
})

describe('a unique name', () => {
  it('counts before the extension, and compares as Windows and macOS do', () => {
    const taken = new Set(['a.PDF', 'a (2).pdf', 'é.txt', 'file'].map(foldedName))
    const unique = (name: string) => uniqueName(name, (folded) => taken.has(folded))
    assert.equal(unique('A.pdf'), 'A (3).pdf')
    assert.equal(unique('e\u0301.txt'), 'e\u0301 (2).txt')
    assert.equal(unique('file'), 'file (2)')
    assert.equal(unique('b.pdf'), 'b.pdf')
  })
})

describe('the name in a key', () => {
  it('is what follows the UUID', () => {
    assert.equal(nameInKey('openapi0306c2d1-7a5b-4e96-8172-60c5ee0f971e-kotlin-简介.docx'), 'kotlin-简介.docx')
    assert.equal(nameInKey('something else'), 'something else')
  })
})
