import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { progressLines, type State, totalLine } from './progress-lines.ts'
import { fitted, sizeOf, timeOf, widthOf } from './sizes.ts'
import type { Say } from './words.ts'

const english: Say = ({ en }) => en
const chinese: Say = ({ zh }) => zh
const active = Array.from({ length: 6 }, (_, index) => ({ name: `发票 ${index}`.repeat(20), bytes: 500, total: 1000 }))
const state: State = {
  files: { done: 3, total: 12 },
  bytes: { done: 1_500_000, total: undefined },
  bytesPerSecond: 500_000,
  filesPerSecond: 1,
  active,
}

describe('progress', () => {
  it('is a total bar and at most four files, none wider than the terminal', () => {
    for (const columns of [80, 40, 20]) {
      const lines = progressLines(state, columns, english)
      assert.equal(lines.length, 5)
      for (const line of lines) assert.ok(widthOf(line) < columns, `${columns}: ${line}`)
    }
    assert.equal(
      progressLines(state, 80, english)[0],
      '[=====               ] 3/12 files · 1.5 MB · 500 kB/s · 0:09 left',
    )
  })

  it('reckons by bytes where every size is known, and by files where not', () => {
    const bytes = { done: 1_500_000, total: 3_000_000 }
    assert.equal(totalLine({ ...state, bytes }, english), '3/12 files · 1.5 MB/3.0 MB · 500 kB/s · 0:03 left')
    assert.equal(totalLine({ ...state, filesPerSecond: 0 }, chinese), '3/12 个文件 · 1.5 MB · 500 kB/s')
    assert.equal(totalLine(state, chinese), '3/12 个文件 · 1.5 MB · 500 kB/s · 剩余 0:09')
  })

  it('shows no control characters of a name', () => {
    const [, line = ''] = progressLines(
      { ...state, active: [{ name: 'a\x1b[2Jb', bytes: 1, total: undefined }] },
      80,
      english,
    )
    assert.equal(line, '  a\ufffd[2Jb  1 B')
  })
})

describe('sizes, times and names', () => {
  it('are short', () => {
    assert.deepEqual([0, 999, 1000, 12_345, 999_999, 31_457_280, 5e15].map(sizeOf), [
      '0 B',
      '999 B',
      '1.0 kB',
      '12 kB',
      '1000 kB',
      '31 MB',
      '5000 TB',
    ])
    assert.deepEqual([0, 31, 3599, 3600, 90_061].map(timeOf), ['0:00', '0:31', '59:59', '1:00:00', '25:01:01'])
  })

  it('keep both ends of a name, so that its extension is seen', () => {
    assert.equal(fitted('发票2024年度汇总.pdf', 12), '发票2…总.pdf')
    assert.equal(fitted('short.pdf', 12), 'short.pdf')
    assert.equal(fitted('anything', 0), '')
  })
})
