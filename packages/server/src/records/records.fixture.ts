import { randomBytes } from 'node:crypto'
import type { AppRecord, AttachmentRecord, TokenRecord } from './record-store.ts'

const random = () => randomBytes(8).toString('hex')

export function appRecord(more: Partial<AppRecord> = {}): AppRecord {
  return {
    appKey: random(),
    corporationId: random(),
    corporationName: '某某公司',
    secretHash: random(),
    demo: false,
    createdAt: 1,
    disabledAt: null,
    ...more,
  }
}

export function tokenRecord({ appKey, corporationId }: Pick<AppRecord, 'appKey' | 'corporationId'>): TokenRecord {
  return { tokenHash: random(), refreshHash: random(), appKey, corporationId, expiresAt: 4_102_444_800_000 }
}

export function attachmentRecord(corporationId: string, fileName: string): AttachmentRecord {
  const key = `openapi${crypto.randomUUID()}-${fileName}`
  const digests = { md5: random(), sha256: random(), crc64: '11051210869376104954' }
  return {
    fileId: random(),
    corporationId,
    key,
    fileName,
    blobId: random(),
    size: 5_000_000_000,
    ...digests,
    contentType: 'application/pdf',
    createdAt: 1_700_000_000_000,
    linkEpoch: 0,
  }
}
