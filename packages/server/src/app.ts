import { randomBytes } from 'node:crypto'
import type { IncomingMessage, RequestListener, Server, ServerOptions } from 'node:http'
import Fastify, {
  type FastifyBaseLogger,
  type FastifyHttpOptions,
  type FastifyInstance,
  type FastifyReply,
  type FastifyRequest,
  type FastifyServerFactory,
  LogController,
} from 'fastify'
import type { AccessTokens, Caller } from './attachments/access-tokens.ts'
import type { Attachments } from './attachments/attachments.ts'
import type { Contents } from './attachments/contents.ts'
import type { Documents } from './attachments/documents.ts'
import type { LinkCredentials } from './attachments/link-credentials.ts'
import type { AuditLog } from './audit/audit-log.ts'
import { Failure } from './errors.ts'
import type { Thumbnails } from './images/thumbnails.ts'
import type { Metrics } from './metrics.ts'
import { parseTarget } from './oss/target.ts'
import type { Quotas } from './quotas/quotas.ts'
import { accessTokenRoutes } from './routes/access-token.ts'
import { keepTrails } from './routes/audit-trail.ts'
import { type FailureWitness, failureBody, renderControlFailures } from './routes/control-failures.ts'
import { type DocumentAttachmentsDeps, documentAttachmentsRoute } from './routes/document-attachments.ts'
import { documentRoutes } from './routes/documents.ts'
import { downloadUrlsRoute } from './routes/download-urls.ts'
import { endedRequests } from './routes/ended-requests.ts'
import { plainlyFramed, refuseUnreadable } from './routes/framing.ts'
import { readJsonStrictly } from './routes/json-body.ts'
import type { Delivery } from './routes/object-delivery.ts'
import { renderObjectFailures } from './routes/object-failures.ts'
import { OBJECT_PATH } from './routes/object-path.ts'
import { objectsRoute } from './routes/objects.ts'
import { OPS_PATHS, opsRoutes } from './routes/ops.ts'
import { plainRequests } from './routes/plain-requests.ts'
import { whenEnded } from './routes/request-end.ts'
import { cutSlowBodies } from './routes/slow-bodies.ts'
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
  quotas: Pick<Quotas, 'request' | 'uncount' | 'thumbnail'>
  /** Nothing is kept where it is switched off. */
  audit: AuditLog | undefined
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
  /** Called before the app has any route, or a hook that answers. */
  attach(app: FastifyInstance): void
}

/** The whole surface of the service. */
export function buildApp(parts: AppParts, options: AppOptions): FastifyInstance {
  const { tokens, attachments, contents, credentials, thumbnails, metrics, ready, publicUrl, now } = parts
  const { documents, attachmentsOf, delivery, quotas } = parts
  const { bucket, region, strictSignatures: strict, rangeBehaviour, maxUploadBytes, maxItems } = options
  let closing = false
  const newId = requestIds()
  const ended = endedRequests({ metrics, logger: options.logger, audit: parts.audit })
  // A development mode looks at every request, and readers that are sent on to the store are sent by the route.
  const open = () => !closing && options.extension === undefined && delivery.redirect === undefined
  const failed = new WeakMap<IncomingMessage, Error>()
  const plain = {
    tokens,
    failed,
    attachments,
    contents,
    credentials,
    thumbnails,
    quotas,
    now,
    bucket,
    newId,
    open,
    ended: ended.plain,
  }
  const serverFactory = serverOf((otherwise) => plainRequests(plain, otherwise))
  const app = Fastify({ ...serverOptions(options), genReqId: newId, serverFactory })
  app.decorateRequest('caller')
  keepTrails(app)
  whenEnded(app, ended.framed)
  options.extension?.attach(app)
  app.addHook('onClose', async () => ended.flush())

  // A connection that stays open would hold up the end of the process.
  app.addHook('preClose', (done) => {
    closing = true
    done()
  })
  app.addHook('onSend', (_request, reply, _body, done) => {
    if (closing) reply.header('connection', 'close')
    done()
  })

  const witness: FailureWitness = {
    refused(code, { trail }, detail) {
      metrics.refused(code)
      trail.refused = code
      trail.detail = detail
    },
  }
  renderControlFailures(app, witness)
  app.addHook('onRequest', (request, reply, done) => {
    if (request.url !== OBJECT_PATH) reply.headers({ 'x-request-id': request.id, 'cache-control': 'no-store' })
    done()
  })
  readJsonStrictly(app)
  opsRoutes(app, { ready, metrics, metricsFor: options.metrics })
  accessTokenRoutes(app, { tokens, publicUrl, failed })

  app.register(async (scope) => {
    scope.addHook('onRequest', async (request) => {
      request.caller = await tokens.authenticate(accessTokenOf(request))
      quotas.request(request.caller.corporationId)
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
    renderObjectFailures(scope, { witness, now })
    scope.addHook('onRequest', (request, reply, done) => {
      reply.headers({ server: 'AliyunOSS', 'x-oss-request-id': request.id, 'x-request-id': request.id })
      done()
    })
    const rules = { bucket, region, strict, rangeBehaviour }
    objectsRoute(scope, { attachments, contents, credentials, thumbnails, quotas, delivery, now, ...rules })
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
  return {
    loggerInstance: logger,
    logController: new LogController({ disableRequestLogging: true }),
    // Without Fastify's options: with any, pino sets the level of every child anew.
    childLoggerFactory: (parent, bindings) => parent.child(bindings),
    trustProxy: trustedProxies.length > 0 ? trustedProxies : false,
    bodyLimit: JSON_LIMIT,
    forceCloseConnections: 'idle',
    http: { headersTimeout: HEADERS_TIMEOUT_MS, connectionsCheckingInterval: 5000, maxHeaderSize: 32 * 1024 },
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

/** 24 hex digits, as OSS has them: a random part for this process and a counter. */
function requestIds(): () => string {
  const run = randomBytes(8).toString('hex').toUpperCase()
  let count = 0
  return () => run + (++count % 0x1_0000_0000).toString(16).toUpperCase().padStart(8, '0')
}

/** A server whose requests are met by what `around` makes of the frame's own handler. */
function serverOf(around: (frame: RequestListener) => RequestListener): FastifyServerFactory<Server> {
  return (frame, { http }) => {
    // An import of `node:http` looks at each of its names, and one of them loads a client with 14 MB that nobody asked for.
    const { createServer } = process.getBuiltinModule('node:http')
    const server = createServer(http as ServerOptions, plainlyFramed(around(frame)))
    server.requestTimeout = REQUEST_TIMEOUT_MS
    server.keepAliveTimeout = KEEP_ALIVE_MS
    cutSlowBodies(server)
    return server.setTimeout(IDLE_TIMEOUT_MS)
  }
}

function noSchemas(): never {
  throw new Error('no compiler for schemas is loaded: a route checks what it gets itself')
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
