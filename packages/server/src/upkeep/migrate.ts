import type { BlobStore } from '../blobs/blob-store.ts'
import type { AttachmentRecord, AttachmentRecords } from '../records/record-store.ts'
import { attachmentPages, inParallel } from './pages.ts'
import { hashOf, sizesIn } from './verify.ts'

export interface MigrateParts {
  from: { records: Pick<AttachmentRecords, 'page' | 'byFileIds'>; blobs: BlobStore }
  to: { blobs: BlobStore }
  /** Brings the records over as they are at one moment; none where both sides share a database. */
  copyRecords: (() => Promise<{ removed: number }>) | undefined
  /** Called after each page with how many attachments have been looked at. */
  onProgress(attachments: number): void
}

export interface Migrated {
  attachments: number
  /** Blobs that came now, each read back and compared with its SHA-256. */
  copied: number
  copiedBytes: number
  /** Blobs that an earlier run brought, read and compared anew. */
  there: number
  /** Attachments whose bytes the source does not have, or not as they were uploaded: nothing of these came over. */
  faulty: string[]
  /** Records that an earlier run brought and that the source has no more. */
  removed: number
}

const AT_A_TIME = 8

/**
 * Blobs before the records that name them, and those of attachments that came meanwhile after: a run that was killed
 * leaves nothing but blobs without records, and the next one goes on from there.
 */
export async function migrate({ from, to, copyRecords, onProgress }: MigrateParts): Promise<Migrated> {
  const report: Migrated = { attachments: 0, copied: 0, copiedBytes: 0, there: 0, faulty: [], removed: 0 }
  const sizes = await sizesIn(to.blobs)
  const seen = new Set<string>()
  await copyBlobs()
  if (copyRecords) {
    report.removed = (await copyRecords()).removed
    await copyBlobs()
  }
  return report

  async function copyBlobs(): Promise<void> {
    for await (const page of attachmentPages(from.records)) {
      const fresh = page.filter(({ fileId }) => !seen.has(fileId))
      await inParallel(fresh, AT_A_TIME, copyBlob)
      for (const { fileId } of fresh) seen.add(fileId)
      report.attachments += fresh.length
      if (fresh.length > 0) onProgress(report.attachments)
    }
  }

  async function copyBlob(record: AttachmentRecord): Promise<void> {
    const { fileId, blobId, size, sha256 } = record
    // One of the right size need not be right: a run may have been killed before it compared what it had put.
    if (sizes.get(blobId) === size && (await hashOf(record, to.blobs)) === sha256) {
      report.there++
      return
    }
    if (sizes.has(blobId)) await to.blobs.remove(blobId)
    const stored = await put(record)
    if (stored === size && (await hashOf(record, to.blobs)) === sha256) {
      report.copied++
      report.copiedBytes += size
      return
    }
    await to.blobs.remove(blobId)
    if ((await from.records.byFileIds([fileId])).length > 0) report.faulty.push(fileId)
  }

  /** How many bytes came over; nothing where the source has none. */
  async function put({ blobId, size }: AttachmentRecord): Promise<number | undefined> {
    if (size === 0) return (await to.blobs.put(blobId, once(new Uint8Array()))).size
    const body = await from.blobs.read(blobId, { first: 0, last: size - 1 })
    if (body === undefined) return undefined
    return (await to.blobs.put(blobId, body instanceof Uint8Array ? once(body) : body)).size
  }
}

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes
}
