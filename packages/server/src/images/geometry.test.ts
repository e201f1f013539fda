import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { type Crop, parseProcess, type Resize } from '../oss/process.ts'
import { cropBox, planResize, type Size } from './geometry.ts'

/** Source, operation, result. The first block is the documentation's and OSS.md 3.1's. */
const RESIZES: [string, string, string][] = [
  ['200x100', 'm_lfit,w_150,h_80', '150x75'],
  ['200x100', 'm_mfit,w_150,h_80', '160x80'],
  ['200x100', 'm_fill,w_150,h_80', '150x80'],
  ['200x100', 'm_pad,w_150,h_80', '150x80'],
  ['200x100', 'm_fixed,w_150,h_80', '150x80'],
  ['400x267', 'w_120,h_120', '120x80'],
  ['267x400', 'w_120,h_120', '80x120'],
  ['1000x1000', 'w_120,h_120', '120x120'],
  ['400x267', 'l_100', '100x67'],
  ['400x267', 's_100', '150x100'],
  ['267x400', 'l_100', '67x100'],
  ['200x100', 'm_fixed,h_100', '100x100'],
  ['100x50', 'w_120,h_120', '100x50'],
  ['100x50', 'm_pad,w_120,h_120', '100x50'],
  ['100x200', 'm_fill,w_120,h_120', '100x200'],
  ['100x50', 'w_120,h_120,limit_0', '120x60'],

  ['200x100', 'h_50', '100x50'],
  ['200x100', 'm_mfit,w_100', '100x50'],
  ['200x100', 'm_fill,w_50', '50x50'],
  ['200x100', 'm_pad,h_60', '60x60'],
  ['400x200', 'm_fill,l_100,s_80', '100x80'],
  ['200x400', 'm_fill,l_100,s_80', '80x100'],
  ['400x200', 'w_100,l_50', '100x50'],
  ['400x200', 'w_100,p_10', '100x50'],
  ['400x200', 'p_50', '200x100'],
  ['400x200', 'p_200', '400x200'],
  ['400x200', 'p_200,limit_0', '800x400'],
  ['100x200', 'm_fixed,w_120,h_120', '100x200'],
  ['100x200', 'm_fixed,w_120,h_120,limit_0', '120x120'],
  ['100x200', 'm_mfit,w_120,h_120', '100x200'],
  ['100x200', 'm_pad,w_120,h_120', '120x120'],
  ['100x200', 'm_fill,w_120,h_120,limit_0', '120x120'],
  ['100x50', 'm_pad,w_120,h_120,limit_0', '120x120'],
  ['3x1', 'w_2', '2x1'],
  ['20000x1', 'w_100', '100x1'],
  ['8000x6000', 'w_12000', '8000x6000'],
]

for (const [source, operation, result] of RESIZES) {
  test(`resize,${operation} makes ${result} of ${source}`, () => {
    assert.deepEqual(planResize(size(source), resize(operation)).result, size(result))
  })
}

test('rounds an exact half up', () => {
  assert.deepEqual(planResize({ width: 200, height: 125 }, resize('w_100')).result, { width: 100, height: 63 })
})

test('keeps the ratio of what m_fill cuts and m_pad frames', () => {
  const source = size('200x100')
  assert.deepEqual(planResize(source, resize('m_fill,w_150,h_80')).scaled, size('160x80'))
  assert.deepEqual(planResize(source, resize('m_pad,w_150,h_80')).scaled, size('150x75'))
})

for (const [source, operation] of [
  ['1000x1000', 'w_5000,limit_0'],
  ['100x1', 'w_16384,h_16384,m_fixed,limit_0'],
  ['10000x1', 'm_fill,w_100,h_100,limit_0'],
  ['1000x100', 'p_1000,m_mfit,s_2000,limit_0'],
  ['8000x6000', 'w_6000'],
] as const) {
  test(`refuses the size that resize,${operation} would make of ${source}`, () => {
    assert.throws(() => planResize(size(source), resize(operation)), { code: 'BadRequest' })
  })
}

test('never enlarges without limit_0, and keeps the ratio within a pixel', () => {
  fc.assert(
    fc.property(sizes(1, 4000), sizes(1, 4000), fc.constantFrom('lfit', 'mfit'), (source, box, mode) => {
      const { result } = planResize(source, resize(`m_${mode},w_${box.width},h_${box.height}`))
      assert.ok(result.width <= source.width && result.height <= source.height)
      const byOneScale = [result.width / source.width, result.height / source.height].some(
        (scale) =>
          Math.abs(result.width - source.width * scale) <= 1 && Math.abs(result.height - source.height * scale) <= 1,
      )
      assert.ok(byOneScale)
      if (mode === 'lfit') assert.ok(result.width <= box.width && result.height <= box.height)
    }),
  )
})

test('gives exactly the box under m_fill, m_pad and m_fixed with limit_0', () => {
  fc.assert(
    fc.property(sizes(20, 300), sizes(20, 300), fc.constantFrom('fill', 'pad', 'fixed'), (source, box, mode) => {
      const { scaled, result } = planResize(source, resize(`m_${mode},w_${box.width},h_${box.height},limit_0`))
      assert.deepEqual(result, box)
      if (mode === 'fill') assert.ok(scaled.width >= box.width && scaled.height >= box.height)
      else assert.ok(scaled.width <= box.width && scaled.height <= box.height)
    }),
  )
})

const CROPS: [string, [number, number, number, number]][] = [
  ['w_50,h_40', [0, 0, 50, 40]],
  ['x_10,y_20', [10, 20, 190, 80]],
  ['w_1650,h_1665,x_0,y_0,g_nw', [0, 0, 200, 100]],
  ['w_50,h_40,g_north', [75, 0, 50, 40]],
  ['w_50,h_40,g_ne', [150, 0, 50, 40]],
  ['w_50,h_40,g_west', [0, 30, 50, 40]],
  ['w_50,h_40,g_center', [75, 30, 50, 40]],
  ['w_50,h_40,g_east', [150, 30, 50, 40]],
  ['w_50,h_40,g_sw', [0, 60, 50, 40]],
  ['w_50,h_40,g_south', [75, 60, 50, 40]],
  ['w_50,h_40,x_10,y_10,g_se', [160, 70, 40, 30]],
]

for (const [operation, [left, top, width, height]] of CROPS) {
  test(`crop,${operation} cuts ${width}×${height} at ${left},${top} of 200×100`, () => {
    assert.deepEqual(cropBox(size('200x100'), crop(operation)), { left, top, width, height })
  })
}

test('refuses a crop that begins outside of the image', () => {
  for (const operation of ['x_200', 'y_100', 'w_10,x_10,g_ne']) {
    assert.throws(() => cropBox(size('200x100'), crop(operation)), {
      code: 'BadRequest',
      message: "Advance cut's position is out of image.",
    })
  }
})

function sizes(least: number, most: number): fc.Arbitrary<Size> {
  const side = fc.integer({ min: least, max: most })
  return fc.record({ width: side, height: side }, { noNullPrototype: true })
}

function size(text: string): Size {
  const [width = 0, height = 0] = text.split('x').map(Number)
  return { width, height }
}

function resize(parameters: string): Resize {
  const [operation] = parseProcess(`image/resize,${parameters}`)
  assert.ok(operation?.name === 'resize')
  return operation
}

function crop(parameters: string): Crop {
  const [operation] = parseProcess(`image/crop,${parameters}`)
  assert.ok(operation?.name === 'crop')
  return operation
}
