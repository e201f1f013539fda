import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { documentRules } from './document-records.contract.ts'
import { quotaRules } from './quota-records.contract.ts'
import type { AppRecord, RecordStore } from './record-store.ts'
import { appRecord, attachmentRecord, tokenRecord } from './records.fixture.ts'

/** The rules of `RecordStore`, run against a real database. `open` may give the same database again and again. */
export function recordStoreContract(name: string, open: () => Promise<RecordStore>): void {
  describe(`record store: ${name}`, () => {
    let store: RecordStore
    before(async () => {
      store = await open()
    })
    after(() => store.close())

    const newApp = async (more: Partial<AppRecord> = {}) => {
      const app = appRecord(more)
      await store.apps.add(app)
      return app
    }

    it('finds an app by its key, and lists it', async () => {
      const app = await newApp()
      assert.deepEqual(await store.apps.find(app.appKey), app)
      assert.equal(await store.apps.find('nobody'), undefined)
      assert.ok((await store.apps.list()).some((one) => one.appKey === app.appKey))
    })

    it('gives a second app to a corporation that is there', async () => {
      const { corporationId } = await newApp()
      const second = await newApp({ corporationId })
      assert.equal((await store.apps.find(second.appKey))?.corporationId, corporationId)
    })

    it('disables an app once, and its tokens with it', async () => {
      const app = await newApp()
      const token = tokenRecord(app)
      await store.tokens.add(token)
      assert.equal(await store.apps.disable(app.appKey, 5), true)
      assert.equal(await store.apps.disable(app.appKey, 6), false)
      assert.equal((await store.apps.find(app.appKey))?.disabledAt, 5)
      assert.equal(await store.tokens.find(token.tokenHash), undefined)
    })

    it('finds a token by its hash', async () => {
      const token = tokenRecord(await newApp())
      await store.tokens.add(token)
      assert.deepEqual(await store.tokens.find(token.tokenHash), token)
      assert.equal(await store.tokens.find('nothing'), undefined)
    })

    it('adds a token once, however often it is asked to', async () => {
      const token = tokenRecord(await newApp())
      await Promise.all([store.tokens.add(token), store.tokens.add(token)])
      await store.tokens.add(token)
      assert.deepEqual(await store.tokens.find(token.tokenHash), token)
    })

    it('replaces a pair of tokens once, and only the whole pair', async () => {
      const app = await newApp()
      const [first, second, third] = [tokenRecord(app), tokenRecord(app), tokenRecord(app)]
      await store.tokens.add(first)
      const old = { tokenHash: first.tokenHash, refreshHash: first.refreshHash, at: 1 }
      assert.equal(await store.tokens.replace({ ...old, refreshHash: 'wrong' }, second), false)
      const both = await Promise.all([store.tokens.replace(old, second), store.tokens.replace(old, third)])
      assert.deepEqual(both.sort(), [false, true])
      assert.equal(await store.tokens.find(first.tokenHash), undefined)
    })

    it('sweeps expired tokens, a limited number at a time', async () => {
      const app = await newApp()
      const old = Array.from({ length: 5 }, () => ({ ...tokenRecord(app), expiresAt: 10 }))
      for (const token of old) await store.tokens.add(token)
      assert.equal(await store.tokens.sweep(11, 3), 3)
      assert.equal(await store.tokens.sweep(11, 3), 2)
      assert.equal(await store.tokens.sweep(11, 3), 0)
    })

    it('keeps an attachment byte for byte, and tells Unicode twins apart', async () => {
      const { corporationId } = await newApp()
      const twins = ['caf\u00e9.pdf', 'cafe\u0301.pdf', "发票 🧾 a b+c%20d&e=f(1)~'!*.pdf"].map((name) =>
        attachmentRecord(corporationId, name),
      )
      for (const attachment of twins) await store.attachments.add(attachment)
      for (const attachment of twins) assert.deepEqual(await store.attachments.byKey(attachment.key), attachment)
      assert.equal(await store.attachments.byKey(twins[0]?.key.toUpperCase() ?? ''), undefined)
    })

    it('finds many attachments by their ids and leaves out unknown ones', async () => {
      const { corporationId } = await newApp()
      const all = Array.from({ length: 50 }, () => attachmentRecord(corporationId, 'a.pdf'))
      await Promise.all(all.map((attachment) => store.attachments.add(attachment)))
      const found = await store.attachments.byFileIds([
        ...all.map((one) => one.fileId),
        'unknown',
        all[0]?.fileId ?? '',
      ])
      assert.deepEqual(found.map((one) => one.fileId).sort(), all.map((one) => one.fileId).sort())
      assert.deepEqual(await store.attachments.byFileIds([]), [])
    })

    it('refuses a key that exists, without harm to the writes beside it', async () => {
      const { corporationId } = await newApp()
      const first = attachmentRecord(corporationId, 'a.pdf')
      const beside = attachmentRecord(corporationId, 'b.pdf')
      await store.attachments.add(first)
      const results = await Promise.allSettled([
        store.attachments.add({ ...attachmentRecord(corporationId, 'c.pdf'), key: first.key }),
        store.attachments.add(beside),
      ])
      assert.deepEqual(
        results.map((result) => result.status),
        ['rejected', 'fulfilled'],
      )
      assert.deepEqual(await store.attachments.byKey(beside.key), beside)
    })

    it('adds an attachment once, however often it is asked to, and refuses another with its id', async () => {
      const { corporationId } = await newApp()
      const attachment = attachmentRecord(corporationId, 'a.pdf')
      const many = Array.from({ length: 50 }, () => attachmentRecord(corporationId, 'a.pdf'))
      for (const one of [attachment, ...many]) {
        await Promise.all([store.attachments.add(one), store.attachments.add(one), store.attachments.add(one)])
      }
      await store.attachments.add(attachment)
      assert.equal((await store.quotas.usage(corporationId)).attachments, 51)
      const other = attachmentRecord(corporationId, 'b.pdf')
      await assert.rejects(store.attachments.add({ ...other, fileId: attachment.fileId }))
      await assert.rejects(store.attachments.add({ ...other, key: attachment.key }))
      assert.deepEqual(await store.attachments.byFileIds([attachment.fileId, other.fileId]), [attachment])
    })

    it('gives all attachments in pages, by their ids', async () => {
      const { corporationId } = await newApp()
      const all = Array.from({ length: 7 }, () => attachmentRecord(corporationId, 'a.pdf'))
      for (const attachment of all) await store.attachments.add(attachment)
      const seen = []
      for (let after: string | undefined; ; after = seen.at(-1)?.fileId) {
        const page = await store.attachments.page(after, 3)
        assert.ok(page.length <= 3)
        if (page.length === 0) break
        seen.push(...page)
      }
      const ids = seen.map(({ fileId }) => fileId)
      assert.deepEqual(ids, [...ids].sort())
      const mine = seen.filter((one) => one.corporationId === corporationId)
      assert.deepEqual(
        mine,
        all.sort((a, b) => (a.fileId < b.fileId ? -1 : 1)),
      )
    })

    it('names those blobs that a record names', async () => {
      const { corporationId } = await newApp()
      const [one, other] = [attachmentRecord(corporationId, 'a.pdf'), attachmentRecord(corporationId, 'b.pdf')]
      for (const attachment of [one, { ...other, blobId: one.blobId }]) await store.attachments.add(attachment)
      assert.deepEqual(await store.attachments.usedBlobIds([one.blobId, 'unused', one.blobId]), [one.blobId])
      assert.deepEqual(await store.attachments.usedBlobIds([]), [])
    })

    it('knows nothing that has a NUL in its name', async () => {
      const { fileId, key, corporationId } = attachmentRecord((await newApp()).corporationId, 'a.pdf')
      assert.deepEqual(await store.attachments.byFileIds(['a\0b', `${fileId}\0`]), [])
      assert.equal(await store.attachments.byKey(`${key}\0`), undefined)
      assert.equal(await store.apps.find('\0'), undefined)
      assert.equal(await store.documents.byCode(corporationId, 'a\0'), undefined)
    })

    it('removes an attachment once', async () => {
      const { corporationId } = await newApp()
      const attachment = attachmentRecord(corporationId, 'a.pdf')
      await store.attachments.add(attachment)
      assert.deepEqual(await store.attachments.remove(attachment.fileId, 7), attachment)
      assert.equal(await store.attachments.remove(attachment.fileId, 8), undefined)
      assert.equal(await store.attachments.byKey(attachment.key), undefined)
    })

    it("raises the epoch of one attachment's links, and tells", async () => {
      const { corporationId } = await newApp()
      const [attachment, other] = [attachmentRecord(corporationId, 'a.pdf'), attachmentRecord(corporationId, 'b.pdf')]
      for (const one of [attachment, other]) await store.attachments.add(one)
      const since = await store.lastChange()
      assert.deepEqual(await store.attachments.revokeLinks(attachment.fileId, 5), { ...attachment, linkEpoch: 1 })
      assert.equal((await store.attachments.revokeLinks(attachment.fileId, 6))?.linkEpoch, 2)
      assert.equal((await store.attachments.byKey(attachment.key))?.linkEpoch, 2)
      assert.equal((await store.attachments.byKey(other.key))?.linkEpoch, 0)
      assert.equal(await store.attachments.revokeLinks('unknown', 7), undefined)
      const change = { kind: 'attachment-links-revoked', subject: `${attachment.blobId} ${attachment.key}` }
      const told = (await store.changesSince(since)).map(({ kind, subject }) => ({ kind, subject }))
      assert.deepEqual(told, [change, change])
    })

    quotaRules({
      store: () => store,
      newCorporation: async () => (await newApp()).corporationId,
      newAttachment: (corporationId) => attachmentRecord(corporationId, 'counted.pdf'),
    })

    it('raises the epoch of one corporation', async () => {
      const { corporationId } = await newApp()
      assert.equal((await store.links.corporation(corporationId))?.linkEpoch, 1)
      assert.equal(await store.links.raiseEpoch(corporationId, 1), 2)
      assert.equal((await store.links.corporation(corporationId))?.linkEpoch, 2)
      assert.equal(await store.links.raiseEpoch('nobody', 1), undefined)
      assert.equal(await store.links.corporation('nobody'), undefined)
    })

    it('has a first key made once, by one of those that ask for it', async () => {
      const before = await store.links.keys()
      await Promise.all(['a1', 'a2', 'a3'].map((salt) => store.links.ensureKey(salt, 500)))
      const keys = await store.links.keys()
      assert.equal(keys.length, Math.max(1, before.length))
      assert.equal(keys[0]?.retiredAt, null)
    })

    it('retires the earlier keys when a new one comes', async () => {
      await store.links.rotateKey('aa', 1000, 1000)
      await store.links.rotateKey('bb', 2000, 5000)
      const [newest, before] = await store.links.keys()
      assert.deepEqual([newest?.salt, newest?.retiredAt, before?.salt, before?.retiredAt], ['bb', null, 'aa', 5000])
    })

    it('tells what changed, in order', async () => {
      const since = await store.lastChange()
      const app = await newApp()
      const attachment = attachmentRecord(app.corporationId, 'a.pdf')
      await store.attachments.add(attachment)
      await store.links.raiseEpoch(app.corporationId, 100)
      await store.attachments.remove(attachment.fileId, 100)
      await store.apps.disable(app.appKey, 100)
      const changes = await store.changesSince(since)
      assert.deepEqual(
        changes.map(({ kind, subject }) => [kind, subject]),
        [
          ['links-revoked', app.corporationId],
          ['attachment-removed', `${attachment.blobId} ${attachment.key}`],
          ['app-disabled', app.appKey],
        ],
      )
      assert.equal(await store.lastChange(), changes.at(-1)?.seq)
      await store.pruneChanges(10_000)
      assert.deepEqual(await store.changesSince(0), [])
    })

    documentRules(
      () => store,
      async () => (await newApp()).corporationId,
    )

    it('says that it is well', () => store.check())
  })
}
