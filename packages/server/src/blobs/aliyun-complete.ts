import { textOf, xmlOf } from '../oss/xml.ts'
import { type AliyunClient, finished } from './aliyun-client.ts'
import { AliyunRefusal, refuseOther } from './aliyun-errors.ts'
import { headerOf, shortText } from './aliyun-http.ts'
import type { Attempts } from './attempts.ts'
import { BrokenBody } from './whole-body.ts'

const COMPLETE_MS = 6000
const MOST_ANSWER_BYTES = 64 * 1024

export interface SentPart {
  number: number
  etag: string
}

export interface Completion {
  key: string
  uploadId: string
  sent: readonly SentPart[]
  /** Of the whole body. */
  crc64: string
}

/** A second try may find that the first was done, and only its answer lost. */
export async function completeUpload(
  { key, uploadId, sent, crc64 }: Completion,
  { client, attempt }: { client: AliyunClient; attempt: Attempts },
): Promise<void> {
  const named = sent.map(
    ({ number, etag }) => ['Part', [['PartNumber', number] as const, ['ETag', etag] as const]] as const,
  )
  const body = Buffer.from(xmlOf('CompleteMultipartUpload', named))
  const request = {
    method: 'POST',
    key,
    query: { uploadId },
    headers: { 'content-type': 'application/xml' },
    body,
  } as const
  let again = false
  await attempt(
    async (signal) => {
      try {
        const answer = await client(request, signal)
        const text = await shortText(answer.body, MOST_ANSWER_BYTES)
        if (textOf(text, 'ETag') === undefined) throw new BrokenBody('an upload was completed without saying so')
        refuseOther(crc64, headerOf(answer, 'x-oss-hash-crc64ecma') ?? crc64)
      } catch (error) {
        if (!again) throw error
        ifNoUpload(error)
        const head = await finished(client, { method: 'HEAD', key }, signal)
        refuseOther(crc64, headerOf(head, 'x-oss-hash-crc64ecma') ?? '')
      } finally {
        again = true
      }
    },
    { tryMilliseconds: COMPLETE_MS },
  )
}

/** Lets nothing pass but that the upload is no longer there. */
export function ifNoUpload(error: unknown): void {
  if (!(error instanceof AliyunRefusal) || error.code !== 'NoSuchUpload') throw error
}
