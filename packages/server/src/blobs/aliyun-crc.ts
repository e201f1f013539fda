import { pipeline, type Readable, Transform } from 'node:stream'
import { createCRC64, type IHasher } from 'hash-wasm'
import { BrokenBody } from './whole-body.ts'

/** CRC-64 as OSS has it in `x-oss-hash-crc64ecma`. */
export interface CrcPass {
  update(chunk: Uint8Array): void
  /** Unsigned decimal; ends the pass. */
  result(): string
  /** Ends a pass whose result nobody wants. */
  drop(): void
}

// Each is a WebAssembly instance that reserves much address space: one that has done serves again.
const resting: IHasher[] = []

export async function crcPass(): Promise<CrcPass> {
  const hasher = resting.pop() ?? (await createCRC64())
  hasher.init()
  let open = true

  function drop(): void {
    if (open) resting.push(hasher)
    open = false
  }

  return {
    update: (chunk) => void hasher.update(chunk),
    result() {
      const crc = BigInt(`0x${hasher.digest('hex')}`).toString()
      drop()
      return crc
    },
    drop,
  }
}

/** Passes a body on, but its last bytes only when all of them have the CRC that was told: a damaged one never looks whole. */
export async function crcChecked(source: Readable, expected: string): Promise<Readable> {
  const crc = await crcPass()
  let last: Uint8Array | undefined
  const checked = new Transform({
    transform(chunk: Uint8Array, _encoding, done) {
      crc.update(chunk)
      const passed = last
      last = chunk
      done(null, passed)
    },
    flush(done) {
      if (crc.result() === expected) done(null, last)
      else done(new BrokenBody('a body has another CRC-64 than its head says'))
    },
    destroy(error, done) {
      crc.drop()
      done(error)
    },
  })
  return pipeline(source, checked, () => {})
}
