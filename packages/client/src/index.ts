export { type CallOptions, type Client, type ClientOptions, createClient } from './client.ts'
export type { Clock } from './clock.ts'
export { attachmentsOf } from './documents.ts'
export type { Download, DownloadOptions } from './download.ts'
export {
  AttacheError,
  type ErrorDetail,
  type ErrorFacts,
  type ErrorKind,
  isAttacheError,
  isExpiredLink,
  isIntegrityError,
  isNotFound,
  isTransient,
  isUnauthorized,
} from './errors.ts'
export type { DownloadLinks, LinkOptions } from './links.ts'
export type { RetryPolicy } from './retry.ts'
export type { Fetch, LogEntry } from './transport.ts'
export type { UploadOptions, UploadSource } from './upload-form.ts'
export type {
  AttachmentGroup,
  AttachmentRef,
  AttachmentTriple,
  DocumentAttachments,
  DocumentValue,
  DownloadLink,
  ListedAttachment,
  UploadedAttachment,
} from './wire.ts'
