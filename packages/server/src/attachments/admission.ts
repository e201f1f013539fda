import type { Quotas } from '../quotas/quotas.ts'
import type { UploadScan } from '../scan/upload-scans.ts'
import type { Caller } from './access-tokens.ts'

/** What stands between an upload and the store; each step may throw the `Failure` that refuses it. */
export interface Admission {
  /** Each piece as it comes; absent where nobody looks at them. */
  update?(chunk: Uint8Array): Promise<void>
  /** All bytes are there, and nothing is stored yet. */
  complete(size: number): Promise<void>
  /** Once the record is committed, or the upload was given up. */
  close(): void
}

export interface AdmissionParts {
  /** Resolves when the stores take writes. */
  writable(): Promise<void>
  quotas: Pick<Quotas, 'beginUpload' | 'reserve'>
  scan: (() => UploadScan) | undefined
}

export function admissions({ writable, quotas, scan: newScan }: AdmissionParts) {
  return async ({ corporationId }: Caller): Promise<Admission> => {
    await writable()
    await quotas.beginUpload(corporationId)
    const scan = newScan?.()
    let release = () => {}
    return {
      ...(scan && { update: scan.update }),
      async complete(size) {
        await scan?.finish()
        const reservation = await quotas.reserve(corporationId, size)
        release = reservation.release
      },
      close() {
        scan?.close()
        release()
      },
    }
  }
}
