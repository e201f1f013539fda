import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Failure } from '../errors.ts'
import { PRESETS } from './fault-presets.ts'
import { faults } from './faults.ts'

const table = () => faults({ bucket: 'attache' })

test('a fault meets as many requests as it was asked for, the oldest that fits first', () => {
  const active = table()
  const [twice, always] = [
    active.add({ path: '/a', status: 500, times: 2 }),
    active.add({ path: '*', delayMs: 5, times: 'always' }),
  ]
  assert.deepEqual(
    [active.take('GET', '/b'), active.take('GET', '/a'), active.take('PUT', '/a'), active.take('GET', '/a')],
    [always, twice, twice, always],
  )
  assert.deepEqual(active.list(), [always])
})

const FITS: [string | string[], string, boolean][] = [
  ['/api/x', '/api/x', true],
  ['/api/x', '/api/x/y', false],
  ['/api/*', '/api/x/y', true],
  ['/attache/*', '/attache/openapi-发票.pdf', true],
  ['*', '/', true],
  [['/a', '/b*'], '/bc', true],
  [['/a', '/b*'], '/c', false],
]
for (const [path, asked, fits] of FITS) {
  test(`${JSON.stringify(path)} ${fits ? 'fits' : 'does not fit'} ${asked}`, () => {
    const active = table()
    active.add({ path, status: 500 })
    assert.equal(active.take('GET', asked) !== undefined, fits)
  })
}

test('a fault with a method meets that method only', () => {
  const active = table()
  active.add({ path: '*', method: 'HEAD', status: 500 })
  assert.equal(active.take('GET', '/'), undefined)
  assert.ok(active.take('HEAD', '/'))
})

test('a fault can be taken back, and all of them', () => {
  const active = table()
  const { id } = active.add({ preset: 'stall' })
  assert.equal(active.remove(id), true)
  assert.equal(active.remove(id), false)
  for (const preset of PRESETS) active.add({ preset })
  assert.equal(active.list().length, PRESETS.length)
  active.clear()
  assert.deepEqual(active.list(), [])
})

test('fields beside a preset replace those of the preset', () => {
  const { path, status, retryAfterSeconds, left } = table().add({ preset: 'storage-503', path: '/x', times: 3 })
  assert.deepEqual(
    { path, status, retryAfterSeconds, left },
    { path: '/x', status: 503, retryAfterSeconds: 1, left: 3 },
  )
})

const WRONG: [unknown, string][] = [
  [undefined, ''],
  [[], ''],
  [{ preset: 'none' }, 'preset'],
  [{ status: 500 }, 'path'],
  [{ path: '*' }, ''],
  [{ path: '*', status: 200 }, 'status'],
  [{ path: '*', status: 500, times: 0 }, 'times'],
  [{ path: '*', status: 500, as: 'yaml' }, 'as'],
  [{ path: '*', sttaus: 500 }, 'sttaus'],
]
for (const [asked, named] of WRONG) {
  test(`refuses ${JSON.stringify(asked)} and names what is wrong`, () => {
    assert.throws(
      () => table().add(asked),
      (error) =>
        error instanceof Failure && error.status === 400 && new RegExp(named).test(JSON.stringify(error.details)),
    )
  })
}
