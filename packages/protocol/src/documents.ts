import Type from 'typebox'
import { MAX_LOGS } from './limits.ts'

// Without a schema of its own for the fields: a check of each would cost more than everything else that is done with a form.
const AnyObject = Type.Unsafe<Record<string, unknown>>(Type.Object({}))

/** As upload gives it and as a form holds it. */
export const AttachmentTriple = Type.Object({
  key: Type.String(),
  fileId: Type.String(),
  fileName: Type.Optional(Type.String()),
})
export type AttachmentTriple = Type.Static<typeof AttachmentTriple>

/**
 * What create and update take. `form` is kept as it was spelt. `logs` and `receipts` are Attaché's own: approvals and
 * bank slips come about inside the vendor's product, here their attachments are sent.
 */
export const DocumentRequest = Type.Object({
  form: AnyObject,
  params: Type.Optional(Type.Union([Type.Null(), AnyObject])),
  logs: Type.Optional(Type.Array(Type.Unknown(), { maxItems: MAX_LOGS })),
  receipts: Type.Optional(Type.Array(Type.Unknown())),
})
export type DocumentRequest = Type.Static<typeof DocumentRequest>

/** Times are Unix milliseconds. Numbers in `form` and `logs` are spelt as they were sent, so parse with care for long ones. */
export const DocumentValue = Type.Object({
  id: Type.String(),
  corporationId: Type.String(),
  active: Type.Boolean(),
  version: Type.Integer(),
  createTime: Type.Integer(),
  updateTime: Type.Integer(),
  state: Type.Union([Type.Literal('draft'), Type.Literal('approving')]),
  formType: Type.String(),
  form: AnyObject,
  logs: Type.Array(Type.Unknown()),
})
export type DocumentValue = Type.Static<typeof DocumentValue>

/** The answer of create and update. */
export const SavedDocument = Type.Object({ value: Type.String(), type: Type.Integer(), flow: DocumentValue })
export type SavedDocument = Type.Static<typeof SavedDocument>

/** The answer of `flowDetails` and `flowDetails/byCode`. */
export const FoundDocument = Type.Object({ value: DocumentValue })
export type FoundDocument = Type.Static<typeof FoundDocument>

export const DocumentAttachmentsRequest = Type.Object({ flowIds: Type.Array(Type.String()) })
export type DocumentAttachmentsRequest = Type.Static<typeof DocumentAttachmentsRequest>

const ListedAttachment = Type.Object({
  key: Type.String(),
  url: Type.String(),
  fileId: Type.String(),
  fileName: Type.String(),
})
export type ListedAttachment = Type.Static<typeof ListedAttachment>

/** Attachments of a document by where they stand: its body, each of its details (`freeId`), its approvals, its receipts. */
export const AttachmentGroup = Type.Union([
  Type.Object({ type: Type.Literal('flow.body'), attachmentUrls: Type.Array(ListedAttachment) }),
  Type.Object({
    type: Type.Literal('flow.free'),
    freeId: Type.String(),
    attachmentUrls: Type.Array(ListedAttachment),
    invoiceUrls: Type.Array(ListedAttachment),
  }),
  Type.Object({ type: Type.Literal('flow.approving'), attachmentUrls: Type.Array(ListedAttachment) }),
  Type.Object({
    type: Type.Literal('flow.receipt'),
    receiptUrls: Type.Array(Type.Object({ url: Type.String(), key: Type.String() })),
  }),
])
export type AttachmentGroup = Type.Static<typeof AttachmentGroup>

/** `fromType` is the published spelling of the form's type. Links live one hour. */
export const DocumentAttachments = Type.Object({
  flowId: Type.String(),
  flowCode: Type.String(),
  fromType: Type.String(),
  attachmentList: Type.Array(AttachmentGroup),
})
export type DocumentAttachments = Type.Static<typeof DocumentAttachments>
