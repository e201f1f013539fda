import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { boundedCache } from './bounded-cache.ts'

describe('a bounded cache', () => {
  it('holds as many values as it was told to, and drops the one that was used least lately', () => {
    const cache = boundedCache<number>(2)
    cache.set('a', 1)
    cache.set('b', 2)
    cache.get('a')
    cache.set('c', 3)
    assert.deepEqual([...cache.keys()].sort(), ['a', 'c'])
  })

  it('counts a value once, however often it is set', () => {
    const cache = boundedCache<number>(2)
    cache.set('a', 1)
    for (let i = 0; i < 10; i++) cache.set('b', i)
    assert.deepEqual([cache.get('a'), cache.get('b')], [1, 9])
    cache.delete('a')
    cache.clear()
    for (const name of ['x', 'y', 'z']) cache.set(name, 0)
    assert.equal(cache.size, 2)
  })
})
