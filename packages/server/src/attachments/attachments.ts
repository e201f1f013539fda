import type { DownloadLink, DownloadRequest } from '@attache/protocol'
import type { BlobStore } from '../blobs/blob-store.ts'
import { boundedCache } from '../bounded-cache.ts'
import { Failure } from '../errors.ts'
import type { AttachmentRecord, AttachmentRecords } from '../records/record-store.ts'
import type { Caller, IssuedLinks } from './access-tokens.ts'
import type { Admission } from './admission.ts'
import { contentTypeOf } from './content-type.ts'
import type { Digest } from './digest.ts'
import type { directLinks } from './direct-links.ts'
import type { LinkCredentials, Signer } from './link-credentials.ts'
import { linkTexts } from './link-texts.ts'
import { type LinkPlace, linkSigner } from './links.ts'
import { faultOfName, newBlobId, newFileId, objectKey } from './object-key.ts'
import { type UploadDigest, uploadDigest } from './upload-digest.ts'

export interface AttachmentsOptions extends LinkPlace {
  records: AttachmentRecords
  blobs: BlobStore
  credentials: LinkCredentials
  /** Addresses of the store itself, which go before ours. */
  direct: ReturnType<typeof directLinks> | undefined
  /** Lets an upload begin, or refuses it. */
  admit(caller: Caller): Promise<Admission>
  /** Counts links that are asked for; throws where there were too many. */
  countLinks(corporationId: string, count: number): void
  now(): number
  maxUploadBytes: number
  maxItems: number
  maxExpirationSeconds: number | undefined
}

/** A file on its way in. `name` settles when the form has been read to its end, which may be after the bytes. */
export interface IncomingFile {
  /** Each chunk is good until the next one is asked for. */
  body: AsyncIterable<Uint8Array>
  name: Promise<string>
}

/** Both halves must be those of one attachment. */
export type AttachmentName = Pick<DownloadRequest, 'id' | 'key'>

/** Links in the order asked, some hundreds at a time. */
export type LinkBatches = AsyncGenerator<DownloadLink[], void, undefined>

export type Attachments = ReturnType<typeof attachments>

interface Granted {
  record: AttachmentRecord
  expiration: number
}

const KNOWN_RECORDS = 50_000
const LINKS_AT_A_TIME = 500

export function attachments(options: AttachmentsOptions) {
  const { records, blobs, now } = options
  const known = boundedCache<AttachmentRecord>(KNOWN_RECORDS)
  // Raised when a record is forgotten: what was read before then is not kept.
  let forgotten = 0
  const sign = linkSigner(options)
  const textOf = linkTexts(options)

  /** Durable before it resolves; nothing is left of a file that is refused. */
  async function upload(file: IncomingFile, caller: Caller): Promise<AttachmentRecord> {
    const blobId = newBlobId()
    const admission = await options.admit(caller)
    const pass = uploadDigest()
    try {
      await blobs.put(blobId, taken(file, { pass, admission, maxBytes: options.maxUploadBytes }))
      const fileName = await file.name
      const record = await describe({
        fileName,
        blobId,
        digest: await pass.result(),
        corporationId: caller.corporationId,
      })
      // When this fails the blob stays: whether the row was written may be unknown, and a row without its blob is a loss.
      await records.add(record)
      return record
    } finally {
      pass.close()
      admission.close()
    }
  }

  async function describe(found: {
    fileName: string
    blobId: string
    digest: Digest
    corporationId: string
  }): Promise<AttachmentRecord> {
    const { fileName, blobId, corporationId, digest } = found
    const { head, ...digests } = digest
    const contentType = await contentTypeOf(head, fileName)
    const key = objectKey(crypto.randomUUID(), fileName)
    const facts = { corporationId, key, fileName, blobId, ...digests, contentType, createdAt: now(), linkEpoch: 0 }
    return { fileId: newFileId(now()), ...facts }
  }

  /**
   * In the order asked; what is unknown, another corporation's, or no true pair of id and key is left out. What may be
   * refused is refused before the first batch; a batch is signed when it is asked for, so a reader that does not read costs
   * one batch of links and not all of them.
   */
  async function linkBatches(asked: readonly DownloadRequest[], caller: Caller): Promise<LinkBatches> {
    refuseOverLimits(asked)
    return unlimitedBatches(asked, caller)
  }

  async function unlimitedBatches(asked: readonly DownloadRequest[], caller: Caller): Promise<LinkBatches> {
    options.countLinks(caller.corporationId, asked.length)
    const found = await lookUp(asked)
    const signer = await options.credentials.signerOf(caller.corporationId)
    // Rounded up: a link never lives shorter than was asked.
    const start = Math.ceil(now() / 1000)
    const granted: Granted[] = []
    for (const { id, key, expiration } of asked) {
      const record = found.get(id)
      if (record?.key === key && record.corporationId === caller.corporationId) granted.push({ record, expiration })
    }
    if (granted.length > 0) caller.issued?.(issuedLinks(granted))
    return batchesOf(granted, { signer, start })
  }

  async function* batchesOf(
    granted: readonly Granted[],
    { signer, start }: { signer: Signer; start: number },
  ): LinkBatches {
    for (let from = 0; from < granted.length; from += LINKS_AT_A_TIME) {
      const batch: DownloadLink[] = []
      for (const { record, expiration } of granted.slice(from, from + LINKS_AT_A_TIME)) {
        const { url, thumbUrl } = sign(signer, record, start + expiration)
        const link = { id: record.fileId, key: record.key, url, thumbUrl }
        batch.push(options.direct ? { ...link, ...(await options.direct(record, start + expiration)) } : link)
      }
      yield batch
      // Signing is work for the CPU alone: others get their turn in between.
      await new Promise(setImmediate)
    }
  }

  /** All at once, and as many as one likes, for what has limits of its own. */
  async function unlimitedLinks(asked: readonly DownloadRequest[], caller: Caller): Promise<DownloadLink[]> {
    return (await Array.fromAsync(await unlimitedBatches(asked, caller))).flat()
  }

  /**
   * What makes the links of one batch as JSON, its UTF-8 bytes as one character each, without waiting, and counts them;
   * `undefined` where not all of it can be had in that way.
   */
  function knownLinks(asked: readonly DownloadRequest[], { corporationId }: Caller): (() => string) | undefined {
    const signer = options.credentials.knownSignerOf(corporationId)
    if (signer === undefined || options.direct || options.maxExpirationSeconds !== undefined) return undefined
    if (asked.length > Math.min(options.maxItems, LINKS_AT_A_TIME)) return undefined
    const found: AttachmentRecord[] = []
    for (const { id, key } of asked) {
      const record = known.get(key)
      if (record?.fileId !== id || record.corporationId !== corporationId || record.linkEpoch !== 0) return undefined
      found.push(record)
    }
    return () => {
      options.countLinks(corporationId, asked.length)
      const start = Math.ceil(now() / 1000)
      const texts = asked.map(({ expiration }, i) => textOf(signer, found[i] as AttachmentRecord, start + expiration))
      return `[${texts.join(',')}]`
    }
  }

  /** The indexes of those that name no attachment of the caller's corporation. */
  async function unknownAmong(asked: readonly AttachmentName[], caller: Caller): Promise<number[]> {
    const found = await lookUp(asked)
    return [...asked.keys()].filter((index) => {
      const { id = '', key } = asked[index] ?? {}
      const record = found.get(id)
      return record === undefined || record.key !== key || record.corporationId !== caller.corporationId
    })
  }

  function refuseOverLimits(asked: readonly DownloadRequest[]): void {
    const { maxItems, maxExpirationSeconds } = options
    if (asked.length > maxItems) throw new Failure('TooManyItems', { message: `单次请求的附件数量不能超过${maxItems}` })
    if (maxExpirationSeconds === undefined) return
    const details = asked.flatMap(({ expiration }, index) =>
      expiration > maxExpirationSeconds
        ? [{ path: `[${index}].expiration`, message: `不能超过${maxExpirationSeconds}秒` }]
        : [],
    )
    if (details[0]) throw new Failure('InvalidItems', { message: `${details[0].path}${details[0].message}`, details })
  }

  async function lookUp(asked: readonly AttachmentName[]): Promise<Map<string, AttachmentRecord>> {
    const found = new Map<string, AttachmentRecord>()
    const unknown: string[] = []
    for (const { id, key } of asked) {
      const record = known.get(key)
      if (record?.fileId === id) found.set(id, record)
      else unknown.push(id)
    }
    if (unknown.length === 0) return found
    const before = forgotten
    for (const record of await records.byFileIds(unknown)) {
      if (before === forgotten) known.set(record.key, record)
      found.set(record.fileId, record)
    }
    return found
  }

  return {
    upload,
    linkBatches,
    unlimitedLinks,
    knownLinks,
    unknownAmong,

    /** As `byKey`, without waiting, for one that was asked for lately. */
    known(key: string, corporationId: string | undefined): AttachmentRecord | undefined {
      const record = known.get(key)
      return corporationId === undefined || record?.corporationId === corporationId ? record : undefined
    },

    /** For the data plane, whose links name keys. `corporationId` is that of the signer, unless an operator's pair signed. */
    async byKey(key: string, corporationId: string | undefined): Promise<AttachmentRecord | undefined> {
      const before = forgotten
      const record = known.get(key) ?? (await records.byKey(key))
      if (record === undefined) return undefined
      if (before === forgotten) known.set(key, record)
      return corporationId === undefined || record.corporationId === corporationId ? record : undefined
    },

    /** The record first: a blob without a record is invisible, a record without a blob would be a fault. */
    async remove(fileId: string): Promise<AttachmentRecord | undefined> {
      const record = await records.remove(fileId, now())
      if (record) {
        forget(record.key)
        await blobs.remove(record.blobId)
      }
      return record
    },

    /** Another process removed the attachment with this key. */
    forget,

    /** Others may have removed any of them. */
    forgetAll(): void {
      forgotten++
      known.clear()
    },
  }

  function forget(key: string): void {
    forgotten++
    known.delete(key)
  }
}

interface Taking {
  pass: Pick<UploadDigest, 'update'>
  admission: Admission
  maxBytes: number
}

/** The bytes of a file on their way into the store. Ends only when it has proved good, name and all, so that a bad one stores nothing. */
async function* taken(file: IncomingFile, { pass, admission, maxBytes }: Taking): AsyncGenerator<Uint8Array> {
  let size = 0
  for await (const chunk of file.body) {
    size += chunk.length
    if (size > maxBytes) throw new Failure('FileTooLarge', { message: `上传附件大小不可超过${sizeInMb(maxBytes)}` })
    const digested = pass.update(chunk)
    // Whoever takes the bytes may break off meanwhile.
    digested.catch(() => {})
    if (admission.update) await admission.update(chunk)
    yield chunk
    await digested
  }
  const fault = faultOfName(await file.name)
  if (fault !== undefined) throw new Failure('InvalidName', { details: [{ path: 'name', message: fault }] })
  await admission.complete(size)
}

function sizeInMb(bytes: number): string {
  return bytes % 1_048_576 === 0 ? `${bytes / 1_048_576}Mb` : `${bytes}字节`
}

function issuedLinks(granted: readonly Granted[]): IssuedLinks {
  const lives = granted.map(({ expiration }) => expiration)
  const [first = 0] = lives
  const files = granted.map(({ record }) => record.fileId)
  return { files, expiration: lives.every((life) => life === first) ? first : lives }
}
