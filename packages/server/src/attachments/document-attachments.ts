import type {
  AttachmentGroup,
  DocumentAttachments,
  DownloadLink,
  DownloadRequest,
  ListedAttachment,
} from '@attache/protocol'
import { Failure } from '../errors.ts'
import type { DocumentListing } from '../records/document-records.ts'
import type { Caller } from './access-tokens.ts'
import type { PlacedAttachment } from './document-triples.ts'
import { nameOfKey } from './object-key.ts'

export interface DocumentAttachmentsOptions {
  documents: { listings(flowIds: readonly string[], caller: Caller): Promise<DocumentListing[]> }
  attachments: { unlimitedLinks(asked: readonly DownloadRequest[], caller: Caller): Promise<DownloadLink[]> }
}

/** How many attachments one answer lists. */
export const MAX_LISTED_ATTACHMENTS = 20_000
const LINK_SECONDS = 3600

/** Documents' attachments with links, by where they stand; a group without any, and an attachment that was removed, is left out. */
export function documentAttachments({ documents, attachments }: DocumentAttachmentsOptions) {
  return async (flowIds: readonly string[], caller: Caller): Promise<DocumentAttachments[]> => {
    const listings = await documents.listings(flowIds, caller)
    const placed = listings.map((listing): PlacedAttachment[] => JSON.parse(listing.attachments))
    const all = placed.flat()
    if (all.length > MAX_LISTED_ATTACHMENTS)
      throw new Failure('TooManyItems', {
        message: `单次请求的附件数量不能超过${MAX_LISTED_ATTACHMENTS}，请减少flowIds`,
      })
    const urls = await urlsOf(all, caller)
    return listings.map(({ flowId, code, formType }, index) => ({
      flowId,
      flowCode: code,
      fromType: formType,
      attachmentList: groupsOf(placed[index] ?? [], urls),
    }))
  }

  async function urlsOf(all: readonly PlacedAttachment[], caller: Caller): Promise<Map<string, string>> {
    const asked = new Map(all.map(({ fileId: id, key }) => [id, { id, key, expiration: LINK_SECONDS }]))
    const links = await attachments.unlimitedLinks([...asked.values()], caller)
    return new Map(links.map(({ id, url }) => [id, url]))
  }
}

function groupsOf(placed: readonly PlacedAttachment[], urls: ReadonlyMap<string, string>): AttachmentGroup[] {
  const there = placed.filter(({ fileId }) => urls.has(fileId))
  const by = Map.groupBy(there, ({ place }) => place)
  const list = (attachments: readonly PlacedAttachment[] = []) =>
    attachments.map((attachment) => listed(attachment, urls.get(attachment.fileId) ?? ''))
  const body = list(by.get('body'))
  const approving = list(by.get('approving'))
  const receipts = list(by.get('receipt'))
  const inDetails = there.filter(({ freeId }) => freeId !== undefined)
  const details = Map.groupBy(inDetails, ({ freeId = '' }) => freeId)
  return [
    ...(body.length > 0 ? [{ type: 'flow.body' as const, attachmentUrls: body }] : []),
    ...[...details].map(([freeId, attachments]) => ({
      type: 'flow.free' as const,
      freeId,
      attachmentUrls: list(attachments.filter(({ place }) => place === 'free')),
      invoiceUrls: list(attachments.filter(({ place }) => place === 'invoice')),
    })),
    ...(approving.length > 0 ? [{ type: 'flow.approving' as const, attachmentUrls: approving }] : []),
    ...(receipts.length > 0
      ? [{ type: 'flow.receipt' as const, receiptUrls: receipts.map(({ url, key }) => ({ url, key })) }]
      : []),
  ]
}

function listed({ key, fileId, fileName = nameOfKey(key) }: PlacedAttachment, url: string): ListedAttachment {
  return { key, url, fileId, fileName }
}
