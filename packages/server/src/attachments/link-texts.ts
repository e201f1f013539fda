import { signV1Bytes } from '../oss/signature.ts'
import { encodeKey, encodeValue } from '../oss/target.ts'
import type { AttachmentRecord } from '../records/record-store.ts'
import type { Signer } from './link-credentials.ts'
import { type LinkPlace, THUMBNAIL } from './links.ts'

/** What all links of one signer share. */
interface SignerText {
  query: string
  token: string
  signed: string
}

/** What all links of one attachment share. */
interface RecordText {
  names: string
  address: string
  signed: string
}

const SIGNED_PROCESS = `&x-oss-process=${THUMBNAIL}`
const PROCESS = `&x-oss-process=${encodeValue(THUMBNAIL)}`

/**
 * One element of the answer of downloadurls as JSON, its UTF-8 bytes as one character each: the links that `linkSigner` signs,
 * written out for those who ask for many. A test holds them together. Only for session credentials, and attachments whose
 * links were never revoked.
 */
export function linkTexts({ bucket, linkUrl }: LinkPlace) {
  const signers = new WeakMap<Signer, SignerText>()
  const records = new WeakMap<AttachmentRecord, RecordText>()

  function textOfSigner(signer: Signer): SignerText {
    const { accessKeyId, securityToken = '' } = signer.credential
    const text = {
      query: `&OSSAccessKeyId=${encodeValue(accessKeyId)}&Signature=`,
      token: `&security-token=${encodeValue(securityToken)}`,
      signed: `?security-token=${securityToken}`,
    }
    signers.set(signer, text)
    return text
  }

  function textOfRecord(record: AttachmentRecord): RecordText {
    const { fileId: id, key } = record
    const text = {
      names: asBytes(`{"id":${JSON.stringify(id)},"key":${JSON.stringify(key)},"url":`),
      address: asBytes(JSON.stringify(`${linkUrl()}/${encodeKey(key)}?Expires=`).slice(0, -1)),
      signed: asBytes(`\n/${bucket}/${key}`),
    }
    records.set(record, text)
    return text
  }

  return (signer: Signer, record: AttachmentRecord, expires: number): string => {
    const { query, token, signed } = signers.get(signer) ?? textOfSigner(signer)
    const { names, address, signed: signedKey } = records.get(record) ?? textOfRecord(record)
    const text = `GET\n\n\n${expires}${signedKey}${signed}`
    const original = encodedSignature(signV1Bytes(signer.hmacSha1, text))
    const thumbnail = encodedSignature(signV1Bytes(signer.hmacSha1, text + SIGNED_PROCESS))
    const start = address + expires + query
    return `${names}${start}${original}${token}","thumbUrl":${start}${thumbnail}${PROCESS}${token}"}`
  }
}

function asBytes(text: string): string {
  return Buffer.from(text).toString('latin1')
}

/** Of 20 bytes in base64 the last character is `=`. */
function encodedSignature(signature: string): string {
  const body = signature.slice(0, -1)
  const spelled = body.includes('+') ? body.replaceAll('+', '%2B') : body
  return `${spelled.includes('/') ? spelled.replaceAll('/', '%2F') : spelled}%3D`
}
