import { openAsBlob } from 'node:fs'
import { basename } from 'node:path'
import { type ArchiveDeps, type ArchivedFile, type ArchiveOptions, archive } from './archive.ts'
import { type Client, type ClientOptions, clientParts } from './client.ts'
import type { DownloadOptions } from './download.ts'
import { downloadFile, fetchFile } from './file-download.ts'
import type { SavedFile } from './part-notes.ts'
import type { UploadOptions } from './upload-form.ts'
import type { AttachmentRef, UploadedAttachment } from './wire.ts'

export type { ArchivedFile, ArchiveOptions } from './archive.ts'
export { safeFileName } from './file-names.ts'
export * from './index.ts'
export { type ManifestEntry, type ManifestStatus, readManifest, type VerifiedFile, verifyArchive } from './manifest.ts'
export type { SavedFile } from './part-notes.ts'

/** The client, and what it does with files. */
export interface NodeClient extends Client {
  /** Reads the file as it is sent. Its name is that of the path unless `name` is given. */
  uploadFile(path: string, options?: UploadOptions): Promise<UploadedAttachment>
  /** Saves an attachment whole and checked, or not at all; goes on with the `.part` of a download that broke off. */
  downloadFile(ref: AttachmentRef, path: string, options?: DownloadOptions): Promise<SavedFile>
  /** Saves every attachment of a document in `DIRECTORY/CODE/`, and keeps book in `DIRECTORY/manifest.jsonl`. */
  archive(code: string, directory: string, options?: ArchiveOptions): AsyncGenerator<ArchivedFile, void, undefined>
}

/** A client of one corporation's key pair, for Node. Opens nothing and asks nothing until it is used. */
export function createClient(options: ClientOptions): NodeClient {
  const { client, follow } = clientParts(options)
  const fetch: ArchiveDeps['fetch'] = (ref, file) => fetchFile(follow, ref, file)
  return {
    ...client,
    async uploadFile(path, given = {}) {
      return client.upload(await openAsBlob(path), { name: basename(path), ...given })
    },
    downloadFile: (ref, path, given = {}) => downloadFile(follow, ref, { path, options: given }),
    archive: (code, directory, given = {}) => archive({ client, fetch }, { code, directory }, given),
  }
}
