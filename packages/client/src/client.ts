import { accessTokens } from './access-tokens.ts'
import { api, posted } from './api.ts'
import { type Arrival, arrivals } from './arrivals.ts'
import { type Clock, systemClock } from './clock.ts'
import type { Part } from './contents.ts'
import { documents } from './documents.ts'
import { type Download, type DownloadOptions, downloadOf } from './download.ts'
import { AttacheError } from './errors.ts'
import { jsonCalls } from './json-calls.ts'
import { type DownloadLinks, type LinkAsker, type LinkOptions, linkAsker } from './links.ts'
import { DEFAULT_RETRY, type RetryPolicy } from './retry.ts'
import { type Fetch, type LogEntry, transport } from './transport.ts'
import { uploadCall, uploadedOf } from './upload.ts'
import type { UploadOptions, UploadSource } from './upload-form.ts'
import {
  type AttachmentRef,
  type DocumentAttachments,
  type DocumentValue,
  type DownloadLink,
  PATHS,
  type UploadedAttachment,
} from './wire.ts'

export interface ClientOptions {
  /** The root of the API, such as `https://app.ekuaibao.com` or `http://127.0.0.1:8700`. */
  baseUrl: string
  appKey: string
  appSecurity: string
  /** For proxies, certificates and tests. Default: the `fetch` of the platform. */
  fetch?: Fetch
  clock?: Clock
  /** Gives what happens, without secrets. */
  logger?: (entry: LogEntry) => void
  retry?: Partial<RetryPolicy>
  /** From 0 to 1, for the pauses between tries. */
  random?: () => number
  /** Most items of one `downloadurls` request. Default 1000; lowered for good when the server names a cap. */
  itemsPerRequest?: number
  /** Requests of one call that are made at once. Default 4. */
  concurrency?: number
  /** For one try of a call whose answer is JSON. Default 30 000. */
  timeoutMilliseconds?: number
  /** For one try of an upload; with `onProgress`, the longest silence in it. Default 300 000. */
  uploadTimeoutMilliseconds?: number
  /** The longest silence in a download before it is broken off and resumed. Default 30 000. */
  stallMilliseconds?: number
}

export interface CallOptions {
  signal?: AbortSignal
}

/** Every method fails with an `AttacheError`, or with the reason of the caller's own abort. */
export interface Client {
  /** The access token in force; asked for once, and again when nine tenths of its life are over. */
  token(options?: CallOptions): Promise<string>
  upload(source: UploadSource, options?: UploadOptions): Promise<UploadedAttachment>
  /** Links for any number of attachments, in input order, and what the server left out. */
  downloadUrls<R extends AttachmentRef>(refs: readonly R[], options?: LinkOptions): Promise<DownloadLinks<R>>
  /** The bytes of one attachment, checked; `not-found` when the server has no link for it. */
  download(ref: AttachmentRef, options?: DownloadOptions): Promise<Download>
  /** `not-found` for an unknown code. */
  document(code: string, options?: CallOptions): Promise<DocumentValue>
  /** Links to everything that these documents name, grouped by where it stands; any number of ids. */
  documentAttachments(flowIds: readonly string[], options?: CallOptions): Promise<DocumentAttachments[]>
}

/** What the Node entry builds on. */
export interface ClientParts {
  client: Client
  /** Follows an attachment, from the beginning or from what is there already. `url` is a link that was asked for before. */
  follow(ref: AttachmentRef, options: FollowOptions): AsyncGenerator<Arrival, void, undefined>
}

export interface FollowOptions {
  url?: string | undefined
  from?: Part | undefined
  signal?: AbortSignal | undefined
}

/** A client of one corporation's key pair. Opens nothing and asks nothing until it is used; there is nothing to close. */
export function createClient(options: ClientOptions): Client {
  return clientParts(options).client
}

export function clientParts(options: ClientOptions): ClientParts {
  const baseUrl = rootOf(options)
  const { concurrency = 4, timeoutMilliseconds = 30_000, uploadTimeoutMilliseconds = 300_000 } = options
  const { clock = systemClock, random = Math.random, logger: log = () => {} } = options
  const fetch: Fetch = options.fetch ?? ((url, init) => globalThis.fetch(url, init))
  const network = { clock, random, log, policy: { ...DEFAULT_RETRY, ...options.retry } }
  const http = transport({ fetch, clock, log, secrets: () => tokens.secrets() })
  const json = jsonCalls({ ...network, transport: http })
  const tokens = accessTokens({ ...options, baseUrl, clock, log, timeoutMilliseconds, json })
  const ask = api({ baseUrl, tokens, json, timeoutMilliseconds })
  const { byCode, attachments } = documents({ api: ask, concurrency })

  const downloadUrls: LinkAsker = linkAsker({
    itemsPerRequest: options.itemsPerRequest ?? 1000,
    concurrency,
    ask: (items, signal) => ask({ operation: 'downloadUrls', path: PATHS.downloadUrls, signal, ...posted(items) }),
  })

  function follow(ref: AttachmentRef, { url, from, signal }: FollowOptions): AsyncGenerator<Arrival, void, undefined> {
    let known = url
    const link = async (renewed: boolean) => {
      if (renewed || known === undefined) known = (await linkOf(ref, signal)).url
      return known
    }
    const stallMilliseconds = options.stallMilliseconds ?? 30_000
    return arrivals({ ...network, transport: http, stallMilliseconds, link, signal, ...(from && { from }) })
  }

  async function linkOf(ref: AttachmentRef, signal: AbortSignal | undefined): Promise<DownloadLink> {
    const { links } = await downloadUrls([ref], signal ? { signal } : {})
    const [link] = links
    if (link !== undefined) return link
    const sentence = `no link for ${ref.key}: unknown, removed or of another corporation`
    throw new AttacheError(sentence, { kind: 'not-found', operation: 'download' })
  }

  const client: Client = {
    token: ({ signal } = {}) => tokens.get(signal),
    async upload(source, given = {}) {
      const plainFetch = options.fetch === undefined
      return uploadedOf(
        await ask(uploadCall(source, given, { plainFetch, timeoutMilliseconds: uploadTimeoutMilliseconds })),
      )
    },
    downloadUrls,
    download: (ref, given = {}) => downloadOf(follow(ref, { signal: given.signal, url: urlIn(ref) }), given),
    document: (code, { signal } = {}) => byCode(code, signal),
    documentAttachments: (flowIds, { signal } = {}) => attachments(flowIds, signal),
  }
  return { client, follow }
}

/** A link that was asked for is used before a new one is. */
export function urlIn(ref: AttachmentRef): string | undefined {
  return 'url' in ref && typeof ref.url === 'string' ? ref.url : undefined
}

function rootOf({ baseUrl, appKey, appSecurity }: ClientOptions): string {
  if (!/^https?:\/\/[^?#@\s]+$/.test(baseUrl))
    throw usage('baseUrl must be a URL such as https://app.ekuaibao.com, without a query or a password')
  if (!appKey || !appSecurity) throw usage('give appKey and appSecurity')
  return baseUrl.replace(/\/+$/, '')
}

function usage(sentence: string): AttacheError {
  return new AttacheError(sentence, { kind: 'usage', operation: 'createClient' })
}
