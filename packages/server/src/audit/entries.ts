/** One line of the audit log. `at` is ISO 8601 in UTC; a name that isn't known is left out. No secret is among the fields. */
export type AuditEntry = LinksIssued | LinkUsed | Uploaded | Operated | Refused

interface Common {
  at: string
  /** As in `x-request-id`. */
  request?: string | undefined
  /** Where the caller is, as the trusted proxies say. */
  address?: string | undefined
  corporationId?: string | undefined
  appKey?: string | undefined
}

/** Who was given links, and to what. A request for many attachments makes several lines, so that each attachment is named. */
export interface LinksIssued extends Common {
  act: 'links'
  /** Attachments that got a link. */
  files: string[]
  /** Seconds asked: one number for all files, or one for each. */
  expiration: number | number[]
}

/** Who read an attachment through a link or with a signed header. */
export interface LinkUsed extends Common {
  act: 'use'
  method: string
  fileId: string
  key: string
  accessKeyId: string
  /** What was rendered instead of the original. */
  process?: string | undefined
  status: number
  /** Of the body, as far as it was given to the network; left out where another server sends it. */
  bytes?: number | undefined
  /** False where the connection ended before the body. */
  complete: boolean
  /** Unix time in seconds; a request signed in its header has none. */
  expiresAt?: number | undefined
}

export interface Uploaded extends Common {
  act: 'upload'
  fileId: string
  key: string
  size: number
  sha256: string
}

/** What an operator's verb changed. */
export interface Operated extends Common {
  act: 'operator'
  verb: string
  fileId?: string | undefined
  key?: string | undefined
  /** Such as the new limits. */
  detail?: string | undefined
}

/** Who was refused, and why: a code of one of the two failure tables. What was only claimed is named as claimed. */
export interface Refused extends Common {
  act: 'refused'
  reason: string
  status: number
  method: string
  /** Without the query. */
  path: string
  fileId?: string | undefined
  key?: string | undefined
  /** Sent, but not proven. */
  claimed?: { appKey?: string | undefined; accessKeyId?: string | undefined; key?: string | undefined } | undefined
  /** Such as what the scanner found. */
  detail?: string | undefined
}
