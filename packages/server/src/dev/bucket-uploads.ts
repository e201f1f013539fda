import { randomBytes } from 'node:crypto'
import { OssFailure } from '../oss/failure.ts'
import { elementsOf, textOf } from '../oss/xml.ts'
import { etagOf, type MemoryBucket, type StoredObject } from './bucket.ts'

export interface BucketUploads {
  /** Gives the id of the upload. */
  begin(object: Pick<StoredObject, 'key' | 'headers'>): string
  /** Gives the ETag of the part. */
  addPart(place: UploadPlace & { number: number }, bytes: Buffer): string
  /** `xml` names the parts in their order. */
  complete(place: UploadPlace, xml: string): Promise<StoredObject>
  abort(place: UploadPlace): void
  clear(): void
}

export interface UploadPlace {
  key: string
  uploadId: string
}

interface Upload {
  object: Pick<StoredObject, 'key' | 'headers'>
  parts: Map<number, Buffer>
}

const MOST_PARTS = 10_000
const MOST_UPLOADS = 1000
// https://www.alibabacloud.com/help/en/oss/user-guide/multipart-upload: every part but the last has 100 KB or more.
const LEAST_PART_BYTES = 100 * 1024

/** Objects that come in parts. */
export function bucketUploads(bucket: MemoryBucket): BucketUploads {
  const uploads = new Map<string, Upload>()

  function uploadAt({ key, uploadId }: UploadPlace): Upload {
    const upload = uploads.get(uploadId)
    if (upload?.object.key !== key) throw new OssFailure('NoSuchUpload', { elements: { UploadId: uploadId } })
    return upload
  }

  function forget(uploadId: string): void {
    for (const part of uploads.get(uploadId)?.parts.values() ?? []) bucket.release(part.length)
    uploads.delete(uploadId)
  }

  return {
    begin(object) {
      if (uploads.size >= MOST_UPLOADS) {
        throw new OssFailure('EntityTooLarge', { message: `There are ${MOST_UPLOADS} uploads under way.` })
      }
      const uploadId = randomBytes(16).toString('hex').toUpperCase()
      uploads.set(uploadId, { object, parts: new Map() })
      return uploadId
    },
    addPart(place, bytes) {
      const { parts } = uploadAt(place)
      if (!(place.number >= 1 && place.number <= MOST_PARTS)) throw argument('partNumber')
      bucket.claim(bytes.length)
      bucket.release(parts.get(place.number)?.length ?? 0)
      parts.set(place.number, bytes)
      return etagOf(bytes)
    },
    async complete(place, xml) {
      const { object, parts } = uploadAt(place)
      const chosen = chosenParts(xml, parts)
      // Taken over by the object: from here on they count as its own.
      forget(place.uploadId)
      return bucket.putParts(object, chosen)
    },
    abort(place) {
      uploadAt(place)
      forget(place.uploadId)
    },
    clear() {
      for (const uploadId of [...uploads.keys()]) forget(uploadId)
    },
  }
}

function chosenParts(xml: string, parts: ReadonlyMap<number, Buffer>): Buffer[] {
  const named = elementsOf(xml, 'Part').map((part) => ({
    number: Number(textOf(part, 'PartNumber')),
    etag: (textOf(part, 'ETag') ?? '').replaceAll('"', ''),
  }))
  if (named.length === 0) throw new OssFailure('MalformedXML')
  const chosen = named.map(({ number, etag }, index) => {
    if (number <= (named[index - 1]?.number ?? 0)) throw new OssFailure('InvalidPartOrder')
    const part = parts.get(number)
    if (part === undefined || etagOf(part) !== `"${etag.toUpperCase()}"`) {
      throw new OssFailure('InvalidPart', { elements: { PartNumber: String(number), ETag: etag } })
    }
    return part
  })
  if (chosen.slice(0, -1).some(({ length }) => length < LEAST_PART_BYTES)) throw new OssFailure('EntityTooSmall')
  return chosen
}

function argument(name: string): OssFailure {
  return new OssFailure('InvalidArgument', { elements: { ArgumentName: name } })
}
