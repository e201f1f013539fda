import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import * as protocol from '@attache/protocol'
import type { AttachmentTriple, DocumentAttachments, DocumentValue, DownloadLink, UploadedAttachment } from './wire.ts'
import { PATHS } from './wire.ts'

describe('the wire of this client', () => {
  it('has the paths of the protocol', () => {
    for (const [name, path] of Object.entries(PATHS)) assert.equal(path, protocol.PATHS[name as keyof typeof PATHS])
  })

  it('takes what the protocol lets the server send', () => {
    // Checked by the compiler: each gives its argument back under this client's type.
    const same = {
      link: (value: protocol.DownloadLink): DownloadLink => value,
      upload: ({ value }: protocol.UploadValue): UploadedAttachment => value,
      triple: (value: protocol.AttachmentTriple): AttachmentTriple => value as AttachmentTriple,
      document: (value: protocol.DocumentValue): DocumentValue => value,
      listed: (value: protocol.DocumentAttachments): DocumentAttachments => value,
    }
    assert.equal(Object.keys(same).length, 5)
  })
})
