import type { Told } from './failures.ts'

/** The lines of `--json`; packages/cli/schema.json says the same to programs. Members are only ever added. */
export type Row =
  | UploadedRow
  | LinkRow
  | MissingRow
  | FileRow
  | CheckedRow
  | AttachmentRow
  | InspectionRow
  | CheckRow
  | SettingRow
  | ProfileRow
  | CompletionRow
  | ErrorRow
  | SummaryRow

interface UploadedRow {
  type: 'uploaded'
  path: string
  id: string
  key: string
  fileName: string
  /** In bytes. */
  size: number
}

interface LinkRow {
  type: 'link'
  id: string
  key: string
  url: string
  thumbUrl: string
  /** ISO 8601; by this machine's clock. */
  expiresAt: string
}

interface MissingRow {
  type: 'missing'
  id: string
  key: string
}

/** An attachment that was to be saved. */
export interface FileRow {
  type: 'file'
  status: 'saved' | 'kept' | 'planned' | 'missing' | 'failed'
  id: string
  key: string
  fileName: string
  /** Of the document. */
  code?: string
  flowId?: string
  path?: string
  size?: number
  /** Lower-case hex. */
  sha256?: string
  /** Bytes of an earlier run that were used. */
  resumedFrom?: number
  reason?: string
  message?: string
}

/** A file of an archive. */
interface CheckedRow {
  type: 'checked'
  result: 'right' | 'changed' | 'truncated' | 'absent' | 'unfinished'
  path: string
  id: string
  key: string
  code: string
  size: number
  sha256: string
}

interface AttachmentRow {
  type: 'attachment'
  code: string
  flowId: string
  id: string
  key: string
  fileName: string
}

export interface InspectionRow {
  type: 'inspection'
  signature: 'V1' | 'V4' | 'none'
  host: string
  bucket: string
  key: string
  thumbnail: boolean
  process?: string
  securityToken: boolean
  /** ISO 8601. */
  expiresAt?: string
  secondsLeft?: number
  expired?: boolean
  damage: { what: string; message: string }[]
  check?: { status: number; code?: string }
}

export interface CheckRow {
  type: 'check'
  name: string
  result: 'ok' | 'failed' | 'note' | 'skipped'
  detail: string
  fix?: string
}

interface SettingRow {
  type: 'setting'
  name: string
  /** Of a secret only whether it is there. */
  value: string
  origin: string
}

interface ProfileRow {
  type: 'profile'
  name: string
  path: string
}

interface CompletionRow {
  type: 'completion'
  shell: string
  script: string
}

interface ErrorRow extends Told {
  type: 'error'
  /** The file, code or attachment that it happened with. */
  about?: string
}

/** The last line of every run that was not killed. */
interface SummaryRow {
  type: 'summary'
  command: string
  exitCode: number
  milliseconds: number
}
