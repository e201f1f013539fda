import Type from 'typebox'
import { MAX_EXPIRATION_SECONDS } from './limits.ts'

/** One element of the array that `downloadurls` takes. `expiration` is in seconds from now, without an upper limit in practice. */
export const DownloadRequest = Type.Object({
  id: Type.String({ minLength: 1 }),
  key: Type.String({ minLength: 1 }),
  expiration: Type.Integer({ minimum: 1, maximum: MAX_EXPIRATION_SECONDS }),
})
export type DownloadRequest = Type.Static<typeof DownloadRequest>

export const DownloadRequests = Type.Array(DownloadRequest)

/** One element of the answer: `url` gives the original bytes, `thumbUrl` a picture that fits into 120×120. */
export const DownloadLink = Type.Object({
  id: Type.String(),
  key: Type.String(),
  url: Type.String(),
  thumbUrl: Type.String(),
})
export type DownloadLink = Type.Static<typeof DownloadLink>

export const DownloadLinks = Type.Array(DownloadLink)

/** `empty` is true for a file of no bytes. */
export const UploadValue = Type.Object({
  value: Type.Object({ key: Type.String(), fileId: Type.String(), fileName: Type.String(), empty: Type.Boolean() }),
})
export type UploadValue = Type.Static<typeof UploadValue>
