import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { copyRecords } from './copy.ts'
import { COPIED_TABLES } from './copy-table.ts'
import { type RecordDialect, sqlite } from './dialects.ts'
import type { NewDocument } from './document-records.ts'
import type { RecordStore } from './record-store.ts'
import { appRecord, attachmentRecord, tokenRecord } from './records.fixture.ts'
import { sqlRecords } from './sql-records.ts'

const ATTACHMENTS = 1200

/** What a copy from SQLite to another database keeps. `newTarget` gives an empty one, each time a dialect of its own. */
export function copyContract(name: string, newTarget: () => Promise<() => RecordDialect>): void {
  describe(`copy of records to ${name}`, () => {
    let directory: string
    let source: RecordStore
    let target: () => RecordDialect
    const from = () => sqlite({ file: join(directory, 'records.sqlite'), durability: 'relaxed' })
    const app = appRecord()
    const { corporationId } = app
    const attachments = Array.from({ length: ATTACHMENTS }, () => attachmentRecord(corporationId, '发票.pdf'))
    const [flowA, flowB] = ['flow-b', 'flow-a']
    before(async () => {
      directory = await mkdtemp(join(tmpdir(), 'attache-copy-'))
      source = await sqlRecords(from())
      target = await newTarget()
      await source.apps.add(app)
      await source.tokens.add(tokenRecord(app))
      for (const salt of ['aa', 'bb', 'cc']) await source.links.rotateKey(salt, 1, 1000)
      await Promise.all(attachments.map((attachment) => source.attachments.add(attachment)))
      await source.quotas.set({ ...NO_QUOTA, corporationId, bytes: 5 }, 1)
      await source.documents.add(newDocument(corporationId, { flowId: flowA, code: 'a', outerCode: 'x' }))
      await source.links.raiseEpoch(corporationId, 2)
    })
    after(async () => {
      await source.close()
      await rm(directory, { recursive: true })
    })

    const everything = async (store: RecordStore) => ({
      apps: await store.apps.list(),
      keys: await store.links.keys(),
      corporation: await store.links.corporation(corporationId),
      quotas: await store.quotas.all(),
      usage: await store.quotas.usage(corporationId),
      attachments: await store.attachments.page(undefined, 10_000),
      documents: await Promise.all([flowA, flowB].map((flowId) => store.documents.byId(flowId))),
      changes: await store.changesSince(0),
    })

    async function sameAsSource(): Promise<void> {
      const copy = await sqlRecords(target())
      try {
        assert.deepEqual(await everything(copy), await everything(source))
      } finally {
        await copy.close()
      }
    }

    it('ends at any page, and the next run makes it whole', async () => {
      const pages: string[] = []
      await assert.rejects(
        copyRecords({
          from: from(),
          to: target(),
          onProgress(table, rows) {
            pages.push(table)
            if (table === 'attachments' && rows >= 1000) throw new Error('killed')
          },
        }),
        /killed/,
      )
      const { rows, removed } = await copyRecords({ from: from(), to: target() })
      assert.deepEqual([rows['attachments'], rows['link_keys'], removed], [ATTACHMENTS, 3, 0])
      assert.deepEqual(
        Object.keys(rows),
        COPIED_TABLES.map((table) => table.name),
      )
      await sameAsSource()
    })

    it('brings what the source wrote meanwhile, and takes away what it removed', async () => {
      for (const { fileId } of attachments.slice(0, 30)) await source.attachments.remove(fileId, Date.now())
      const late = attachmentRecord(corporationId, 'late.pdf')
      await source.attachments.add(late)
      await source.attachments.revokeLinks(late.fileId, Date.now())
      await source.documents.remove(corporationId, 'a', Date.now())
      // The outerCode has moved to a document that is copied before the one that had it.
      await source.documents.add(newDocument(corporationId, { flowId: flowB, code: 'b', outerCode: 'x' }))
      const { removed } = await copyRecords({ from: from(), to: target() })
      assert.equal(removed, 30)
      await sameAsSource()
    })

    it('counts on after the numbers that were copied', async () => {
      const copy = await sqlRecords(target())
      const [newest] = await copy.links.keys()
      const last = await copy.lastChange()
      await copy.links.rotateKey('dd', 3, 3)
      assert.equal((await copy.links.keys())[0]?.id, (newest?.id ?? 0) + 1)
      assert.equal(await copy.lastChange(), last + 1)
      await copy.close()
    })

    it('is refused once the target has records of its own', async () => {
      const copy = await sqlRecords(target())
      await copy.attachments.add({ ...attachmentRecord(corporationId, 'own.pdf'), createdAt: Date.now() + 1000 })
      await copy.close()
      await assert.rejects(copyRecords({ from: from(), to: target() }), /in use/)
      const used = await newTarget()
      const other = await sqlRecords(used())
      await other.apps.add(appRecord())
      await other.close()
      await assert.rejects(copyRecords({ from: from(), to: used() }), /in use/)
    })
  })
}

const NO_QUOTA = {
  bytes: null,
  attachments: null,
  requestsPerMinute: null,
  linksPerMinute: null,
  thumbnailsPerMinute: null,
}

function newDocument(corporationId: string, more: Pick<NewDocument, 'flowId' | 'code' | 'outerCode'>): NewDocument {
  const rest = { state: 'draft', formType: 'expense', attachments: '[]', logs: '[]', createdAt: 1 } as const
  return { corporationId, form: () => '{ "名":1.10 }', ...rest, ...more }
}
