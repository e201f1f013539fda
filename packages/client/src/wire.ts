/**
 * The wire as this client needs it. A copy of what `@attache/protocol` says, so that the published package depends on nothing;
 * `wire.test.ts` holds the two together.
 */
export const PATHS = {
  getAccessToken: '/api/openapi/v1/auth/getAccessToken',
  upload: '/api/openapi/v2/attachment/upload',
  downloadUrls: '/api/openapi/v2/attachment/downloadurls',
  documentByCode: '/api/openapi/v1.1/flowDetails/byCode',
  documentAttachments: '/api/openapi/v1/flowDetails/attachment',
} as const

/** What names an attachment: the answer of `upload`, a triple of a document, or an element of `downloadurls`. */
export type AttachmentRef = { key: string; id: string } | { key: string; fileId: string }

/** `url` gives the original bytes, `thumbUrl` a picture that fits into 120×120. Both are opaque: pass them on as they are. */
export interface DownloadLink {
  id: string
  key: string
  url: string
  thumbUrl: string
}

/** `empty` is true for a file of no bytes. */
export interface UploadedAttachment {
  key: string
  fileId: string
  fileName: string
  empty: boolean
}

/** An attachment as a document names it. */
export interface AttachmentTriple {
  key: string
  fileId: string
  fileName?: string
}

/** A document, kept as the server sent it. `form` and `logs` hold whatever the corporation's template has. */
export interface DocumentValue {
  id: string
  form: Record<string, unknown>
  logs?: unknown[]
  [field: string]: unknown
}

/** One of a document's groups: `flow.body`, `flow.free` (a detail), `flow.approving`, `flow.receipt`. Links live one hour. */
export interface AttachmentGroup {
  type: string
  freeId?: string
  attachmentUrls?: ListedAttachment[]
  invoiceUrls?: ListedAttachment[]
  receiptUrls?: { key: string; url: string }[]
}

export interface ListedAttachment {
  key: string
  url: string
  fileId: string
  fileName: string
}

/** `fromType` is the published spelling of the form's type. */
export interface DocumentAttachments {
  flowId: string
  flowCode: string
  fromType: string
  attachmentList: AttachmentGroup[]
}

export function idOf(ref: AttachmentRef): string {
  return 'id' in ref ? ref.id : ref.fileId
}
