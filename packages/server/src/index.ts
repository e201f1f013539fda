/** For those who run the service inside a program of theirs. */

export type { BlobStore } from './blobs/blob-store.ts'
export { type Config, readConfig } from './config.ts'
export { ConfigError, Failure } from './errors.ts'
export { serviceLogger } from './logging.ts'
export type { RecordStore } from './records/record-store.ts'
export { createService, type Service, type ServiceOptions } from './service.ts'
