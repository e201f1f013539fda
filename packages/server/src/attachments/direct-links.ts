import type { BlobStore } from '../blobs/blob-store.ts'
import type { AttachmentRecord } from '../records/record-store.ts'
import { type LinkPair, THUMBNAIL } from './links.ts'
import { servedAs } from './served-as.ts'

// What the image service of OSS reads; of a PDF it has no picture.
const PICTURES = new Set(['image/jpeg', 'image/png', 'image/gif', 'image/webp', 'image/bmp', 'image/tiff'])

/**
 * Addresses of the store itself, each only where the store keeps it alive as long as was asked; ours stand in for the
 * others. They are not ours to revoke: removing the attachment ends them, raising an epoch does not.
 */
export function directLinks({ address }: Pick<BlobStore, 'address'>) {
  return async (record: AttachmentRecord, expiresAt: number): Promise<Partial<LinkPair>> => {
    if (address === undefined) return {}
    const asked = { method: 'GET', expiresAt, headers: servedAs(record) } as const
    const url = await address(record.blobId, asked)
    const thumbUrl = PICTURES.has(record.contentType)
      ? await address(record.blobId, { ...asked, headers: {}, process: THUMBNAIL })
      : undefined
    return { ...(url !== undefined && { url }), ...(thumbUrl !== undefined && { thumbUrl }) }
  }
}
