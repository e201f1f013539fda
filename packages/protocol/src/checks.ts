import type { DownloadRequest } from './attachments.ts'
import type { GetAccessTokenRequest } from './auth.ts'
import type { DocumentAttachmentsRequest, DocumentRequest } from './documents.ts'
import { MAX_CREDENTIAL_LENGTH, MAX_EXPIRATION_SECONDS, MAX_LOGS } from './limits.ts'

// The schemas of what a service takes, as code of their own for values out of JSON: a compiler of schemas takes longer to
// load than all the rest of a service. A test holds the two together.

export function isGetAccessTokenRequest(value: unknown): value is GetAccessTokenRequest {
  return isObject(value) && isCredential(value['appKey']) && isCredential(value['appSecurity'])
}

export function isDownloadRequests(value: unknown): value is DownloadRequest[] {
  return Array.isArray(value) && value.every(isDownloadRequest)
}

/** Which fields of an element are missing or wrong; `undefined` where it is no object. */
export function wrongDownloadFields(value: unknown): (keyof DownloadRequest)[] | undefined {
  if (!isObject(value)) return undefined
  const wrong: (keyof DownloadRequest)[] = []
  if (!isName(value['id'])) wrong.push('id')
  if (!isName(value['key'])) wrong.push('key')
  if (!isExpiration(value['expiration'])) wrong.push('expiration')
  return wrong
}

export function isDocumentRequest(value: unknown): value is DocumentRequest {
  return isObject(value) && wrongDocumentFields(value).length === 0
}

/** Which fields of a create or an update are missing or wrong. */
export function wrongDocumentFields({ form, params, logs, receipts }: Record<string, unknown>): string[] {
  const wrong: string[] = []
  if (!isObject(form)) wrong.push('form')
  if (params !== undefined && params !== null && !isObject(params)) wrong.push('params')
  if (logs !== undefined && !(Array.isArray(logs) && logs.length <= MAX_LOGS)) wrong.push('logs')
  if (receipts !== undefined && !Array.isArray(receipts)) wrong.push('receipts')
  return wrong
}

export function isDocumentAttachmentsRequest(value: unknown): value is DocumentAttachmentsRequest {
  if (!isObject(value)) return false
  const { flowIds } = value
  return Array.isArray(flowIds) && flowIds.every((id) => typeof id === 'string')
}

function isDownloadRequest(value: unknown): boolean {
  return isObject(value) && isName(value['id']) && isName(value['key']) && isExpiration(value['expiration'])
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function isName(value: unknown): boolean {
  return typeof value === 'string' && value !== ''
}

function isExpiration(value: unknown): boolean {
  return Number.isInteger(value) && Number(value) >= 1 && Number(value) <= MAX_EXPIRATION_SECONDS
}

/** A schema counts code points, of which a string has half as many as it is long at least. */
function isCredential(value: unknown): boolean {
  if (typeof value !== 'string' || value === '' || value.length > 2 * MAX_CREDENTIAL_LENGTH) return false
  return value.length <= MAX_CREDENTIAL_LENGTH || [...value].length <= MAX_CREDENTIAL_LENGTH
}
