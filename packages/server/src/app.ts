import { randomBytes } from 'node:crypto'
import type { IncomingMessage, Server } from 'node:http'
import type { Socket } from 'node:net'
import Fastify, {
  type ConnectionError,
  type FastifyBaseLogger,
  type FastifyHttpOptions,
  type FastifyInstance,
  type FastifyReply,
  type FastifyRequest,
  LogController,
} from 'fastify'
import type { AccessTokens, Caller } from './attachments/access-tokens.ts'
import type { Attachments } from './attachments/attachments.ts'
import type { Contents } from './attachments/contents.ts'
import type { Documents } from './attachments/documents.ts'
import type { LinkCredentials } from './attachments/link-credentials.ts'
import { Failure } from './errors.ts'
import type { Thumbnails } from './images/thumbnails.ts'
import type { Metrics } from './metrics.ts'
import { parseTarget } from './oss/target.ts'
import { accessTokenRoutes } from './routes/access-token.ts'
import { failureBody, renderControlFailures } from './routes/control-failures.ts'
import { type DocumentAttachmentsDeps, documentAttachmentsRoute } from './routes/document-attachments.ts'
import { documentRoutes } from './routes/documents.ts'
import { downloadUrlsRoute } from './routes/download-urls.ts'
import { readJsonStrictly } from './routes/json-body.ts'
import type { Delivery } from './routes/object-delivery.ts'
import { renderObjectFailures } from './routes/object-failures.ts'
import { OBJECT_PATH, objectsRoute } from './routes/objects.ts'
import { OPS_PATHS, opsRoutes } from './routes/ops.ts'
import { uploadRoute } from './routes/upload.ts'

declare module 'fastify' {
  interface FastifyRequest {
    /** Set in the scope that asks for an access token. */
    caller: Caller
  }
}

export interface AppParts {
  tokens: AccessTokens
  attachments: Attachments
  contents: Contents
  documents: Documents
  attachmentsOf: DocumentAttachmentsDeps['attachmentsOf']
  credentials: LinkCredentials
  thumbnails: Thumbnails
  delivery: Delivery
  metrics: Metrics
  ready(): Promise<void>
  publicUrl(): string
  now(): number
}

export interface AppOptions {
  bucket: string
  region: string
  strictSignatures: boolean
  rangeBehaviour: 'rfc' | 'oss'
  maxUploadBytes: number
  maxItems: number
  metrics: 'loopback' | 'all' | 'off'
  trustedProxies: string[]
  logger: FastifyBaseLogger
  /** What the development mode adds; a service that is started in another way has none. */
  extension?: AppExtension | undefined
}

export interface AppExtension {
  /** Whether a URL is one of its own, and no object's. */
  owns(url: string): boolean
  /** Called before the app has any hook or route. */
  attach(app: FastifyInstance): void
}

/** The whole surface of the service. */
export function buildApp(parts: AppParts, options: AppOptions): FastifyInstance {
  const { tokens, attachments, contents, credentials, thumbnails, metrics, ready, publicUrl, now } = parts
  const { documents, attachmentsOf, delivery } = parts
  const { bucket, region, strictSignatures: strict, rangeBehaviour, maxUploadBytes, maxItems } = options
  const app = Fastify(serverOptions(options))
  app.decorateRequest('caller')
  options.extension?.attach(app)
  app.addHook('onResponse', (request, reply, done) => {
    const route = request.routeOptions.url ?? 'none'
    metrics.observe({ route, method: request.method, status: reply.statusCode }, reply.elapsedTime / 1000)
    request.log.info(
      {
        method: request.method,
        path: pathOf(request),
        status: reply.statusCode,
        ms: Math.round(reply.elapsedTime * 10) / 10,
      },
      'request',
    )
    done()
  })

  // A connection that stays open would hold up the end of the process.
  let closing = false
  app.addHook('preClose', (done) => {
    closing = true
    done()
  })
  app.addHook('onSend', (_request, reply, _body, done) => {
    if (closing) reply.header('connection', 'close')
    done()
  })

  renderControlFailures(app, metrics)
  app.addHook('onRequest', (request, reply, done) => {
    if (request.url !== OBJECT_PATH) reply.headers({ 'x-request-id': request.id, 'cache-control': 'no-store' })
    done()
  })
  readJsonStrictly(app)
  opsRoutes(app, { ready, metrics, metricsFor: options.metrics })
  accessTokenRoutes(app, { tokens, publicUrl })

  app.register(async (scope) => {
    scope.addHook('onRequest', async (request) => {
      request.caller = await tokens.authenticate(accessTokenOf(request))
    })
    downloadUrlsRoute(scope, { attachments, maxItems })
    documentAttachmentsRoute(scope, { attachmentsOf })
    scope.register(async (saving) => documentRoutes(saving, { documents }))
    scope.register(async (uploads) => {
      uploads.removeAllContentTypeParsers()
      uploads.addContentTypeParser('multipart/form-data', (_request, _body, done) => done(null))
      uploadRoute(uploads, { attachments: { upload: counted }, maxUploadBytes })
    })
  })

  app.register(async (scope) => {
    renderObjectFailures(scope, { witness: metrics, now })
    scope.addHook('onRequest', (request, reply, done) => {
      reply.headers({ server: 'AliyunOSS', 'x-oss-request-id': request.id, 'x-request-id': request.id })
      done()
    })
    const rules = { bucket, region, strict, rangeBehaviour }
    objectsRoute(scope, { attachments, contents, credentials, thumbnails, delivery, now, ...rules })
  })
  return app

  async function counted(...[file, caller]: Parameters<Attachments['upload']>) {
    const record = await attachments.upload(file, caller)
    metrics.uploaded(record.size)
    return record
  }
}

const HEADERS_TIMEOUT_MS = 15_000
const REQUEST_TIMEOUT_MS = 300_000
const IDLE_TIMEOUT_MS = 60_000
const KEEP_ALIVE_MS = 65_000
const JSON_LIMIT = 1024 * 1024

function serverOptions({
  logger,
  trustedProxies,
  extension,
}: AppOptions): FastifyHttpOptions<Server, FastifyBaseLogger> {
  const isControl = extension ? (url: string) => extension.owns(url) || isControlPath(url) : isControlPath
  const run = randomBytes(8).toString('hex').toUpperCase()
  let count = 0
  return {
    loggerInstance: logger,
    logController: new LogController({ disableRequestLogging: true }),
    trustProxy: trustedProxies.length > 0 ? trustedProxies : false,
    bodyLimit: JSON_LIMIT,
    requestTimeout: REQUEST_TIMEOUT_MS,
    connectionTimeout: IDLE_TIMEOUT_MS,
    keepAliveTimeout: KEEP_ALIVE_MS,
    forceCloseConnections: 'idle',
    http: { headersTimeout: HEADERS_TIMEOUT_MS, connectionsCheckingInterval: 5000, maxHeaderSize: 32 * 1024 },
    // 24 hex digits, as OSS has them: a random part for this process and a counter.
    genReqId: () => run + (++count % 0x1_0000_0000).toString(16).toUpperCase().padStart(8, '0'),
    rewriteUrl: ({ url = '/' }: IncomingMessage) => (isControl(url) ? url : OBJECT_PATH),
    routerOptions: { querystringParser: (text: string) => Object.fromEntries(parseTarget(`?${text}`).query) },
    exposeHeadRoutes: false,
    // Routes check what they get themselves; to load the compilers that Fastify has for that takes longer than all the rest.
    schemaController: { compilersFactory: { buildValidator: noSchemas, buildSerializer: noSchemas } },
    frameworkErrors: (_error, _request, reply: FastifyReply) =>
      reply.code(400).send(failureBody(new Failure('MalformedRequest'))),
    clientErrorHandler: refuseUnreadable,
  }
}

function noSchemas(): never {
  throw new Error('no compiler for schemas is loaded: a route checks what it gets itself')
}

/** What Node's parser could not read has no request to answer, only a connection. */
function refuseUnreadable(error: ConnectionError, socket: Socket): void {
  if (socket.writable && error.code !== 'ECONNRESET') {
    const body = JSON.stringify(failureBody(new Failure('MalformedRequest')))
    const head = `HTTP/1.1 400 Bad Request\r\nContent-Type: application/json; charset=utf-8\r\nContent-Length: ${Buffer.byteLength(body)}`
    socket.write(`${head}\r\nConnection: close\r\n\r\n${body}`)
  }
  socket.destroySoon()
}

const CONTROL_PATHS = new RegExp(`^(/api/|(${Object.values(OPS_PATHS).join('|')})(\\?|$))`)

function isControlPath(url: string): boolean {
  return CONTROL_PATHS.test(url)
}

/** In the query as the vendor has it, the first one if there are several; or, ours, in a header that no log of a proxy shows. */
function accessTokenOf({ query, headers }: FastifyRequest): string | undefined {
  const { accessToken } = query as { accessToken?: string }
  return accessToken ?? /^Bearer (\S+)$/i.exec(headers.authorization ?? '')?.[1]
}

/** Without the query, which holds tokens and signatures. */
function pathOf({ originalUrl }: FastifyRequest): string {
  const mark = originalUrl.indexOf('?')
  return mark === -1 ? originalUrl : originalUrl.slice(0, mark)
}
