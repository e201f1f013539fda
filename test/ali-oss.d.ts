/** Of the vendor's SDK, which has no types of its own, what the tests call. */
declare module 'ali-oss' {
  import type { IncomingMessage } from 'node:http'
  import type { Readable } from 'node:stream'

  interface Options {
    endpoint: string
    bucket: string
    accessKeyId: string
    accessKeySecret: string
    stsToken?: string
    refreshSTSToken?: () => Promise<{ accessKeyId: string; accessKeySecret: string; stsToken: string }>
    sldEnable: boolean
    region?: string
    authorizationV4?: boolean
  }

  interface SignatureOptions {
    /** Seconds from now. */
    expires?: number
    method?: 'GET' | 'HEAD'
    process?: string
    response?: Record<string, string>
  }

  interface Result {
    status: number
    headers: IncomingMessage['headers']
  }

  interface ListedObject {
    name: string
    size: number
    etag: string
    lastModified: string
  }

  interface Listing {
    objects: ListedObject[]
    isTruncated: boolean
    nextContinuationToken: string | null
  }

  class OSS {
    constructor(options: Options)
    put(name: string, file: Buffer, options?: { headers?: Record<string, string> }): Promise<{ res: Result }>
    putStream(name: string, stream: Readable): Promise<{ res: Result }>
    delete(name: string): Promise<{ res: Result }>
    multipartUpload(
      name: string,
      file: Buffer,
      options: { partSize: number; parallel?: number },
    ): Promise<{ etag: string; res: Result }>
    listV2(query: Record<string, string>): Promise<Listing>
    get(
      name: string,
      options?: { process?: string; headers?: Record<string, string> },
    ): Promise<{ content: Buffer; res: Result }>
    getStream(name: string, options?: { process?: string }): Promise<{ stream: Readable; res: Result }>
    head(name: string): Promise<{ status: number; res: Result }>
    getObjectMeta(name: string): Promise<{ status: number; res: Result }>
    signatureUrl(name: string, options?: SignatureOptions): string
    signatureUrlV4(
      method: string,
      expires: number,
      request: { headers?: Record<string, string>; queries?: Record<string, string> },
      name: string,
      additionalHeaders?: string[],
    ): Promise<string>
  }

  export = OSS
}
