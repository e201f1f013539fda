import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { OssFailure } from './failure.ts'
import { MAX_OPERATIONS, parseProcess } from './process.ts'

const RESIZE = { name: 'resize', mode: 'lfit', limited: true, color: 'FFFFFF' }
const CROP = { name: 'crop', x: 0, y: 0, gravity: 'nw' }

const ACCEPTED: Record<string, unknown[]> = {
  'image/resize,w_120,h_120': [{ ...RESIZE, width: 120, height: 120 }],
  'image/resize,h_120,w_1': [{ ...RESIZE, width: 1, height: 120 }],
  'image/resize,m_pad,w_16384,limit_0,color_00fF00': [
    { ...RESIZE, mode: 'pad', width: 16384, limited: false, color: '00fF00' },
  ],
  'image/resize,l_100,s_50,limit_1': [{ ...RESIZE, long: 100, short: 50 }],
  'image/resize,p_1000': [{ ...RESIZE, percent: 1000 }],
  'image/crop,w_1650,h_1665,x_0,y_0,g_nw': [{ ...CROP, width: 1650, height: 1665 }],
  'image/crop,x_10,g_center': [{ ...CROP, x: 10, gravity: 'center' }],
  'image/crop': [CROP],
  'image/rotate,0': [{ name: 'rotate', degrees: 0 }],
  'image/rotate,360': [{ name: 'rotate', degrees: 360 }],
  'image/auto-orient,0': [{ name: 'auto-orient', enabled: false }],
  'image/auto-orient,1': [{ name: 'auto-orient', enabled: true }],
  'image/format,jpeg': [{ name: 'format', format: 'jpg' }],
  'image/quality,q_80': [{ name: 'quality', kind: 'relative', percent: 80 }],
  'image/quality,Q_100': [{ name: 'quality', kind: 'absolute', percent: 100 }],
  'image/info': [{ name: 'info' }],
  'image/interlace,1': [{ name: 'interlace' }],
  'image/resize,w_120/format,webp/quality,Q_1': [
    { ...RESIZE, width: 120 },
    { name: 'format', format: 'webp' },
    { name: 'quality', kind: 'absolute', percent: 1 },
  ],
}

for (const [process, operations] of Object.entries(ACCEPTED)) {
  test(`understands ${process}`, () => assert.deepEqual(parseProcess(process), operations))
}

/** Each with the `ArgumentName` and `ArgumentValue` of its refusal. */
const REFUSED: Record<string, [string, string]> = {
  '': ['x-oss-process', ''],
  'video/snapshot,t_1': ['x-oss-process', 'video/snapshot,t_1'],
  'style/small': ['x-oss-process', 'style/small'],
  'image/': ['operation', ''],
  'image/blur,r_3,s_2': ['operation', 'blur'],
  'image/watermark,text_aGk': ['operation', 'watermark'],
  'image/Resize,w_1': ['operation', 'Resize'],
  'image/resize,w_1/': ['operation', ''],
  'image/resize,w_0': ['w', '0'],
  'image/resize,w_16385': ['w', '16385'],
  'image/resize,w_-1': ['w', '-1'],
  'image/resize,w_1.5': ['w', '1.5'],
  'image/resize,w_1e3': ['w', '1e3'],
  'image/resize,w_ 1': ['w', ' 1'],
  'image/resize,w_': ['w', ''],
  'image/resize,w_١': ['w', '١'],
  'image/resize,h_99999999999999999999': ['h', '99999999999999999999'],
  'image/resize,l_0': ['l', '0'],
  'image/resize,s_x': ['s', 'x'],
  'image/resize,p_1001': ['p', '1001'],
  'image/resize,w_1,limit_2': ['limit', '2'],
  'image/resize,w_1,m_cover': ['m', 'cover'],
  'image/resize,w_1,color_red': ['color', 'red'],
  'image/resize,w_1,w_2': ['resize', 'w_2'],
  'image/resize,w_1,z_2': ['resize', 'z'],
  'image/resize,120': ['resize', '120'],
  'image/resize,w_1,': ['resize', ''],
  'image/crop,w_0': ['w', '0'],
  'image/crop,x_-1': ['x', '-1'],
  'image/crop,y_30001': ['y', '30001'],
  'image/crop,g_middle': ['g', 'middle'],
  'image/crop,q_1': ['crop', 'q'],
  'image/rotate,361': ['rotate', '361'],
  'image/rotate,90,90': ['rotate', '90'],
  'image/auto-orient,2': ['auto-orient', '2'],
  'image/interlace,yes': ['interlace', 'yes'],
  'image/format,bmp': ['format', 'bmp'],
  'image/format,avif': ['format', 'avif'],
  'image/format,toString': ['format', 'toString'],
  'image/quality,q_abc': ['quality', 'abc'],
  'image/quality,q_0': ['quality', '0'],
  'image/quality,Q_101': ['quality', '101'],
  'image/quality,x_1': ['quality', 'x'],
  'image/info,1': ['info', '1'],
  'image/resize,w_1/info': ['info', 'image/resize,w_1/info'],
}

for (const [process, [name, value]] of Object.entries(REFUSED)) {
  test(`refuses ${JSON.stringify(process)}`, () => {
    const failure = failureOf(process)
    assert.equal(failure.code, 'InvalidArgument')
    assert.deepEqual(failure.elements, { ArgumentName: name, ArgumentValue: value })
  })
}

for (const process of ['image', 'image/resize', 'image/resize,m_fill', 'image/rotate', 'image/format,']) {
  test(`asks for what is missing in ${process}`, () => assert.equal(failureOf(process).code, 'MissingArgument'))
}

test('says what is wrong in the words of OSS', () => {
  const { message } = failureOf('image/quality,q_abc')
  assert.equal(message, 'The value: abc of parameter: quality is invalid.reason:Value must be digit')
})

test('takes AVIF when it is enabled', () => {
  assert.deepEqual(parseProcess('image/format,avif', { avif: true }), [{ name: 'format', format: 'avif' }])
})

test('takes as many operations as the limit and not one more', () => {
  const chain = (length: number) => `image${'/rotate,90'.repeat(length)}`
  assert.equal(parseProcess(chain(MAX_OPERATIONS)).length, MAX_OPERATIONS)
  assert.equal(failureOf(chain(MAX_OPERATIONS + 1)).code, 'InvalidArgument')
})

test('answers any string with operations or a refusal of status 400', () => {
  const words = fc.constantFrom('image', '/', 'resize', ',', 'w_', 'm_', 'lfit', '1', '99999', 'crop', 'g_', '_', '\0')
  const strings = fc.oneof(
    fc.string({ unit: 'binary' }),
    fc.array(words, { maxLength: 20 }).map((parts) => `image/${parts.join('')}`),
  )
  fc.assert(
    fc.property(strings, (process) => {
      try {
        return parseProcess(process).length > 0
      } catch (error) {
        return error instanceof OssFailure && error.status === 400
      }
    }),
    { numRuns: 3000 },
  )
})

function failureOf(process: string): OssFailure {
  try {
    parseProcess(process)
  } catch (error) {
    if (error instanceof OssFailure) return error
    throw error
  }
  return assert.fail(`${process} was accepted`)
}
