import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { Failure } from '../errors.ts'
import { sqliteInMemory } from '../records/dialects.ts'
import { UNLIMITED } from '../records/quota-records.ts'
import type { AttachmentRecord } from '../records/record-store.ts'
import { sqlRecords } from '../records/sql-records.ts'
import { type QuotaLimits, quotas } from './quotas.ts'
import { rates } from './rates.ts'

const NONE: QuotaLimits = {
  bytes: undefined,
  attachments: undefined,
  requestsPerMinute: undefined,
  linksPerMinute: undefined,
  thumbnailsPerMinute: undefined,
}

async function opened(defaults: Partial<QuotaLimits> = {}) {
  const clock = { now: 1_000_000 }
  const records = await sqlRecords(sqliteInMemory().dialect)
  for (const corporationId of ['one', 'other']) {
    const app = { appKey: corporationId, corporationName: corporationId, secretHash: '', demo: false }
    await records.apps.add({ ...app, corporationId, createdAt: 1, disabledAt: null })
  }
  const limits = await quotas({ records: records.quotas, defaults: { ...NONE, ...defaults }, now: () => clock.now })
  return { clock, records, limits, [Symbol.asyncDispose]: () => records.close() }
}

function attachment(corporationId: string, size: number): AttachmentRecord {
  const id = crypto.randomUUID()
  const digests = { md5: '', sha256: '', crc64: '0' }
  const names = { fileId: id, key: id, fileName: id, blobId: id, contentType: 'text/plain' }
  return { corporationId, size, ...names, ...digests, createdAt: 1, linkEpoch: 0 }
}

const codeOf = (error: unknown) => (error instanceof Failure ? error.code : String(error))
const refusalOf = (work: () => unknown) => {
  try {
    work()
    return undefined
  } catch (error) {
    return [codeOf(error), (error as Failure).retryAfterSeconds]
  }
}

describe('quotas', () => {
  it('let everything pass where none is set', async () => {
    await using at = await opened()
    for (let i = 0; i < 1000; i++) at.limits.request('one')
    at.limits.links('one', 1_000_000)
    assert.equal(at.limits.thumbnail('one'), undefined)
    await at.limits.beginUpload('one')
    ;(await at.limits.reserve('one', 1e15)).release()
  })

  it('hold storage exactly to the bound, however many come at once', async () => {
    await using at = await opened({ bytes: 1000, attachments: 1000 })
    const outcomes = await Promise.all(
      Array.from({ length: 300 }, async () => {
        try {
          const reservation = await at.limits.reserve('one', 10)
          await at.records.attachments.add(attachment('one', 10))
          reservation.release()
          return 'stored'
        } catch (error) {
          return codeOf(error)
        }
      }),
    )
    const count = (outcome: string) => outcomes.filter((one) => one === outcome).length
    assert.deepEqual([count('stored'), count('QuotaExceeded')], [100, 200])
    assert.equal((await at.records.quotas.usage('one')).bytes, 1000)
    await assert.rejects(at.limits.beginUpload('one'), { code: 'QuotaExceeded' })
    await assert.rejects(at.limits.reserve('one', 1), { code: 'QuotaExceeded' })
    ;(await at.limits.reserve('one', 0)).release()
    ;(await at.limits.reserve('other', 1000)).release()
  })

  it('give room back when an upload is given up, and wait for it before refusing', async () => {
    await using at = await opened({ attachments: 1 })
    const first = await at.limits.reserve('one', 10)
    const second = at.limits.reserve('one', 10)
    first.release()
    const third = at.limits.reserve('one', 10)
    await at.records.attachments.add(attachment('one', 10))
    ;(await second).release()
    await assert.rejects(third, { code: 'QuotaExceeded', message: /1个/ })
  })

  it("put a corporation's own limits before the defaults, by each limit", async () => {
    await using at = await opened({ bytes: 10, attachments: 10, requestsPerMinute: 1 })
    const own = { bytes: 50, attachments: UNLIMITED, requestsPerMinute: null, linksPerMinute: 7 }
    await at.records.quotas.set({ corporationId: 'one', ...own, thumbnailsPerMinute: 0 }, 1)
    assert.equal(at.limits.limitsOf('one').bytes, 10)
    await at.limits.reload()
    const wanted = {
      bytes: 50,
      attachments: undefined,
      requestsPerMinute: 1,
      linksPerMinute: 7,
      thumbnailsPerMinute: 0,
    }
    assert.deepEqual(at.limits.limitsOf('one'), wanted)
    assert.equal(at.limits.limitsOf('other').bytes, 10)
    assert.equal(at.limits.thumbnail('one'), 60)
  })

  it('count requests and links of each corporation by the minute, and say how long to wait', async () => {
    await using at = await opened({ requestsPerMinute: 6, linksPerMinute: 60 })
    for (let i = 0; i < 6; i++) at.limits.request('one')
    assert.deepEqual(
      refusalOf(() => at.limits.request('one')),
      ['RateLimited', 10],
    )
    at.limits.request('other')
    at.clock.now += 9_999
    assert.deepEqual(
      refusalOf(() => at.limits.request('one')),
      ['RateLimited', 1],
    )
    at.clock.now += 1
    at.limits.request('one')
    at.limits.links('one', 60)
    assert.deepEqual(
      refusalOf(() => at.limits.links('one', 30)),
      ['RateLimited', 30],
    )
    assert.deepEqual(
      refusalOf(() => at.limits.links('one', 61)),
      ['TooManyItems', undefined],
    )
    assert.equal(
      refusalOf(() => at.limits.links('one', 0)),
      undefined,
    )
  })
})

describe('rates', () => {
  it('let no more than twice the rate pass in any minute, and the rate over a long time', () => {
    let now = 0
    const take = rates(() => now)
    const passed: number[] = []
    for (; now < 600_000; now += 50) if (take('a', 1, 60) === 0) passed.push(now)
    assert.ok(Math.abs(passed.length - 60 - 600) <= 1, String(passed.length))
    for (const from of passed) assert.ok(passed.filter((at) => at >= from && at < from + 60_000).length <= 120)
  })

  it('say when to come back, to the millisecond', () => {
    let now = 0
    const take = rates(() => now)
    assert.equal(take('a', 10, 10), 0)
    const wait = take('a', 3, 10)
    now += wait - 1
    assert.ok(take('a', 3, 10) > 0)
    now += 1
    assert.equal(take('a', 3, 10), 0)
  })

  it('give nothing for a clock that steps back', () => {
    let now = 100_000
    const take = rates(() => now)
    assert.equal(take('a', 10, 10), 0)
    now = 0
    assert.ok(take('a', 1, 10) > 0)
  })
})
