import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { Failure } from '../errors.ts'
import { LostAnswer, resolved } from './resolved.ts'

const lost = () => new Failure('StorageUnavailable', { cause: new LostAnswer('the connection ended') })
const away = () => new Failure('StorageUnavailable', { cause: new Error('ECONNREFUSED') })

/** A write that fails like this, time after time, and then works. */
function failing(...failures: Error[]) {
  let calls = 0
  return {
    calls: () => calls,
    async write(): Promise<void> {
      const failure = failures[calls++]
      if (failure) throw failure
    },
  }
}

describe('a write whose answer may get lost', () => {
  it('is run again until an answer has come', async () => {
    const { write, calls } = failing(lost(), away())
    await resolved(write, { unknown: 'StoredPerhaps' })
    assert.equal(calls(), 3)
  })

  it('says that it does not know when none comes in time, and not when to try again', async () => {
    const { write } = failing(lost())
    await assert.rejects(resolved(write, { unknown: 'StoredPerhaps', milliseconds: 150 }), (error) => {
      assert.ok(error instanceof Failure && error.cause instanceof Failure)
      assert.deepEqual([error.code, error.status, error.retryAfterSeconds], ['StoredPerhaps', 503, undefined])
      assert.match(error.message, /可能已保存/)
      return true
    })
  })

  it('says when to try again where nothing was done, or may be done twice', async () => {
    const refused = failing(away())
    await assert.rejects(resolved(refused.write, { unknown: 'StoredPerhaps' }), {
      code: 'StorageUnavailable',
      retryAfterSeconds: 1,
    })
    assert.equal(refused.calls(), 1)
    await assert.rejects(resolved(failing(lost()).write, { milliseconds: 150 }), {
      code: 'StorageUnavailable',
      retryAfterSeconds: 1,
    })
  })
})
