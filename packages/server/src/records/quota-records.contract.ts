import assert from 'node:assert/strict'
import { it } from 'node:test'
import { type CorporationQuota, UNLIMITED } from './quota-records.ts'
import type { AttachmentRecord, RecordStore } from './record-store.ts'

export interface QuotaFixture {
  store(): RecordStore
  newCorporation(): Promise<string>
  newAttachment(corporationId: string): AttachmentRecord
}

/** The rules of `QuotaRecords`. */
export function quotaRules({ store, newCorporation, newAttachment }: QuotaFixture): void {
  const quotas = () => store().quotas

  it('keeps the quota of a corporation, and tells that it changed', async () => {
    const corporationId = await newCorporation()
    const since = await store().lastChange()
    const first = quotaOf(corporationId, { bytes: 5_000_000_000, linksPerMinute: UNLIMITED })
    assert.equal(await quotas().set(first, 1), true)
    assert.deepEqual(await mine(corporationId), [first])
    const second = quotaOf(corporationId, { attachments: 0 })
    assert.equal(await quotas().set(second, 2), true)
    assert.deepEqual(await mine(corporationId), [second])
    const told = (await store().changesSince(since)).map(({ kind, subject }) => [kind, subject])
    assert.deepEqual(told, [
      ['quota-changed', corporationId],
      ['quota-changed', corporationId],
    ])
  })

  it('has no quota for a corporation that is not there', async () => {
    assert.equal(await quotas().set(quotaOf('nobody', {}), 1), false)
    assert.deepEqual(await mine('nobody'), [])
  })

  it('counts what a corporation stores, up and down, also when many come at once', async () => {
    const [one, other] = [await newCorporation(), await newCorporation()]
    assert.deepEqual(await quotas().usage(one), { corporationId: one, bytes: 0, attachments: 0 })
    const all = Array.from({ length: 40 }, (_, index) => ({ ...newAttachment(one), size: index + 1 }))
    await Promise.all([...all, newAttachment(other)].map((attachment) => store().attachments.add(attachment)))
    assert.deepEqual(await quotas().usage(one), { corporationId: one, bytes: 820, attachments: 40 })
    await Promise.all(all.slice(0, 10).map(({ fileId }) => store().attachments.remove(fileId, 1)))
    await store().attachments.remove('unknown', 1)
    assert.deepEqual(await quotas().usage(one), { corporationId: one, bytes: 765, attachments: 30 })
    assert.equal((await quotas().usage(other)).attachments, 1)
  })

  it('counts nothing for an attachment that is refused', async () => {
    const corporationId = await newCorporation()
    const first = newAttachment(corporationId)
    await store().attachments.add(first)
    await assert.rejects(store().attachments.add({ ...newAttachment(corporationId), key: first.key }))
    assert.equal((await quotas().usage(corporationId)).attachments, 1)
  })

  it('counts anew to the same', async () => {
    const corporationId = await newCorporation()
    assert.equal((await quotas().recount(corporationId)).attachments, 0)
    for (const size of [0, 7, 5_000_000_000]) await store().attachments.add({ ...newAttachment(corporationId), size })
    const usage = { corporationId, bytes: 5_000_000_007, attachments: 3 }
    assert.deepEqual(await quotas().usage(corporationId), usage)
    assert.deepEqual(await quotas().recount(corporationId), usage)
    assert.deepEqual(await quotas().usage(corporationId), usage)
  })

  async function mine(corporationId: string): Promise<CorporationQuota[]> {
    return (await quotas().all()).filter((quota) => quota.corporationId === corporationId)
  }
}

function quotaOf(corporationId: string, limits: Partial<CorporationQuota>): CorporationQuota {
  const none = {
    bytes: null,
    attachments: null,
    requestsPerMinute: null,
    linksPerMinute: null,
    thumbnailsPerMinute: null,
  }
  return { corporationId, ...none, ...limits }
}
