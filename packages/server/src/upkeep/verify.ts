import { createHash } from 'node:crypto'
import type { BlobStore } from '../blobs/blob-store.ts'
import type { AttachmentRecord, AttachmentRecords } from '../records/record-store.ts'
import { attachmentPages, inParallel } from './pages.ts'

export type Fault = 'missing' | 'short' | 'long' | 'changed'

export interface FaultyAttachment {
  fileId: string
  fileName: string
  corporationId: string
  fault: Fault
}

export interface Verified {
  attachments: number
  bytes: number
  faulty: FaultyAttachment[]
}

export interface VerifyParts {
  records: Pick<AttachmentRecords, 'page' | 'byFileIds'>
  blobs: Pick<BlobStore, 'read' | 'list'>
  /** Called for each one as it is found. */
  found?: (faulty: FaultyAttachment) => void
}

const AT_A_TIME = 4

/** Reads every attachment to its end and compares what came with size and SHA-256 of the upload. Changes nothing. */
export async function verify({ records, blobs, found = () => {} }: VerifyParts): Promise<Verified> {
  const report: Verified = { attachments: 0, bytes: 0, faulty: [] }
  const sizes = await sizesIn(blobs)
  for await (const page of attachmentPages(records)) {
    await inParallel(page, AT_A_TIME, async (record) => {
      const fault = await faultOf(record, sizes.get(record.blobId), blobs)
      report.attachments++
      report.bytes += record.size
      if (fault === undefined || !(await isStillThere(record))) return
      const { fileId, fileName, corporationId } = record
      const faulty = { fileId, fileName, corporationId, fault }
      report.faulty.push(faulty)
      found(faulty)
    })
  }
  return report

  /** Somebody may have removed it while we read. */
  async function isStillThere({ fileId }: AttachmentRecord): Promise<boolean> {
    return (await records.byFileIds([fileId])).length > 0
  }
}

/** What is wrong with the bytes of one attachment, whose blob was listed with `listed` bytes if it was. */
async function faultOf(
  { blobId, size, sha256 }: AttachmentRecord,
  listed: number | undefined,
  blobs: Pick<BlobStore, 'read' | 'list'>,
): Promise<Fault | undefined> {
  // It may have come after the listing.
  const found = listed ?? (await sizesIn(blobs, blobId)).get(blobId)
  if (found === undefined) return 'missing'
  if (found !== size) return found < size ? 'short' : 'long'
  const hash = await hashOf({ blobId, size }, blobs)
  if (hash === undefined) return 'missing'
  return hash === sha256 ? undefined : 'changed'
}

/** Some hundred bytes of memory for each blob: a million of them take a tenth of a GiB. One listing is far cheaper than a look at each. */
export async function sizesIn(blobs: Pick<BlobStore, 'list'>, prefix = ''): Promise<Map<string, number>> {
  const sizes = new Map<string, number>()
  for await (const { id, size } of blobs.list(prefix)) sizes.set(id, size)
  return sizes
}

/** SHA-256 as lower-case hex of the bytes that are there, or nothing where none are. */
export async function hashOf(
  { blobId, size }: Pick<AttachmentRecord, 'blobId' | 'size'>,
  blobs: Pick<BlobStore, 'read'>,
): Promise<string | undefined> {
  const hash = createHash('sha256')
  if (size > 0) {
    const body = await blobs.read(blobId, { first: 0, last: size - 1 })
    if (body === undefined) return undefined
    if (body instanceof Uint8Array) hash.update(body)
    else for await (const chunk of body) hash.update(chunk as Uint8Array)
  }
  return hash.digest('hex')
}
