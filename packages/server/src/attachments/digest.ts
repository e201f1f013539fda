import { createHash } from 'node:crypto'
import { createCRC64, type IHasher } from 'hash-wasm'

/** What is computed once, as the bytes go by. Hex is lower case; CRC-64/XZ is unsigned decimal. */
export interface Digest {
  size: number
  md5: string
  sha256: string
  crc64: string
  /** The first bytes, enough to tell the type by. */
  head: Buffer
}

export interface DigestPass {
  update(chunk: Uint8Array): void
  /** Once, at the end. */
  result(): Digest
}

const HEAD = 4100

// Each hasher is a WebAssembly instance that reserves gigabytes of address space: one that has given its result serves again.
const resting: IHasher[] = []

export async function digestPass(): Promise<DigestPass> {
  const md5 = createHash('md5')
  const sha256 = createHash('sha256')
  const crc64 = resting.pop() ?? (await createCRC64())
  crc64.init()
  const head: Uint8Array[] = []
  let headSize = 0
  let size = 0
  return {
    update(chunk) {
      size += chunk.length
      md5.update(chunk)
      sha256.update(chunk)
      crc64.update(chunk)
      if (headSize >= HEAD) return
      // Copied: the caller may use its buffer again.
      head.push(Uint8Array.from(chunk.subarray(0, HEAD - headSize)))
      headSize += chunk.length
    },
    result() {
      const crc64Hex = crc64.digest('hex')
      resting.push(crc64)
      return {
        size,
        md5: md5.digest('hex'),
        sha256: sha256.digest('hex'),
        crc64: BigInt(`0x${crc64Hex}`).toString(),
        head: Buffer.concat(head),
      }
    },
  }
}
