import { hash } from 'node:crypto'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { LRUCache } from 'lru-cache'
import { parseAcs3, signAcs3 } from '../oss/acs-signature.ts'
import { sameSignature } from '../oss/signature.ts'
import { parseTarget } from '../oss/target.ts'
import type { BucketCredentials } from './bucket-credentials.ts'

export interface BucketStsDeps {
  path: string
  roleArn: string
  credentials: BucketCredentials
  now(): number
}

/** Refusals as STS tells them: a code, its status and a sentence. */
class StsRefusal extends Error {
  override readonly name = 'StsRefusal'
  readonly code: string
  readonly status: number

  constructor(code: string, status: number, message: string) {
    super(message)
    this.code = code
    this.status = status
  }
}

const SKEW_MS = 15 * 60_000
const MOST_NONCES = 10_000
// https://www.alibabacloud.com/help/en/ram/developer-reference/api-sts-2015-04-01-assumerole
const LEAST_SECONDS = 900
const MOST_SECONDS = 43_200
const USUAL_SECONDS = 3600

/** AssumeRole for the one role that may use the store of the development mode; its credentials die by the clock there. */
export function bucketStsRoute(scope: FastifyInstance, deps: BucketStsDeps): void {
  const nonces = new LRUCache<string, true>({ max: MOST_NONCES })
  scope.removeAllContentTypeParsers()
  scope.addContentTypeParser('*', { parseAs: 'string' }, (_request, body, done) => done(null, body))
  scope.setErrorHandler((error: Error, request, reply) => sendRefusal(error, request, reply))
  scope.post(deps.path, async (request) => {
    const query = signedQueryOf(request, deps)
    const nonce = String(request.headers['x-acs-signature-nonce'])
    if (nonces.has(nonce)) throw new StsRefusal('SignatureNonceUsed', 400, 'The signature nonce was used before.')
    nonces.set(nonce, true)
    return answerOf(request, query, deps)
  })
}

/** The parameters, once the signature is right. */
function signedQueryOf(request: FastifyRequest, { credentials, now }: BucketStsDeps): ReadonlyMap<string, string> {
  const { headers, originalUrl, method } = request
  const claim = parseAcs3(headers.authorization ?? '')
  if (claim === undefined) throw new StsRefusal('IncompleteSignature', 400, 'The Authorization header is not valid.')
  const { accessKeyId, accessKeySecret } = credentials.permanent
  if (claim.accessKeyId !== accessKeyId) {
    throw new StsRefusal('InvalidAccessKeyId.NotFound', 404, 'Specified access key is not found.')
  }
  const time = Date.parse(String(headers['x-acs-date']))
  if (!(Math.abs(now() - time) <= SKEW_MS)) {
    throw new StsRefusal('InvalidTimeStamp.Expired', 400, 'Specified time stamp or date value is expired.')
  }
  const body = typeof request.body === 'string' ? request.body : ''
  const { rawPath: path, query } = parseTarget(originalUrl)
  const names = claim.signedHeaders
  const signed = Object.fromEntries(names.map((name) => [name, String(headers[name] ?? '')]))
  const expected = signAcs3(accessKeySecret, { method, path, query, headers: signed })
  const covered = REQUIRED.every((name) => names.includes(name))
  if (
    !covered ||
    signed['x-acs-content-sha256'] !== hash('sha256', body) ||
    !sameSignature(expected, claim.signature)
  ) {
    throw new StsRefusal('SignatureDoesNotMatch', 400, 'Specified signature is not matched with our calculation.')
  }
  return query
}

const REQUIRED = 'host x-acs-action x-acs-content-sha256 x-acs-date x-acs-signature-nonce x-acs-version'.split(' ')

function answerOf({ headers, id }: FastifyRequest, query: ReadonlyMap<string, string>, deps: BucketStsDeps) {
  if (headers['x-acs-action'] !== 'AssumeRole' || headers['x-acs-version'] !== '2015-04-01') {
    throw new StsRefusal('InvalidAction.NotFound', 404, 'Specified api is not found.')
  }
  if (query.get('RoleArn') !== deps.roleArn) {
    throw new StsRefusal('EntityNotExist.Role', 404, 'The role not exists.')
  }
  const name = query.get('RoleSessionName') ?? ''
  if (!/^[\w.@-]{2,64}$/.test(name)) {
    throw new StsRefusal('InvalidParameter.RoleSessionName', 400, 'The parameter RoleSessionName is wrongly formed.')
  }
  const seconds = Number(query.get('DurationSeconds') ?? USUAL_SECONDS)
  if (!(seconds >= LEAST_SECONDS && seconds <= MOST_SECONDS)) {
    throw new StsRefusal('InvalidParameter.DurationSeconds', 400, 'The parameter DurationSeconds is not valid.')
  }
  const { accessKeyId, accessKeySecret, securityToken, diesAt } = deps.credentials.session(seconds)
  return {
    RequestId: id,
    AssumedRoleUser: { Arn: `${deps.roleArn.replace(':role/', ':assumed-role/')}/${name}`, AssumedRoleId: `1:${name}` },
    Credentials: {
      AccessKeyId: accessKeyId,
      AccessKeySecret: accessKeySecret,
      SecurityToken: securityToken,
      Expiration: new Date(diesAt).toISOString().replace('.000', ''),
    },
  }
}

function sendRefusal(error: Error, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  const { headers, id, log } = request
  const refusal =
    error instanceof StsRefusal
      ? error
      : new StsRefusal('InternalError', 500, 'The request processing has failed due to some unknown error.')
  if (refusal !== error) log.error({ err: error }, 'fault')
  const { code: Code, message: Message, status } = refusal
  return reply.code(status).send({ RequestId: id, HostId: headers.host ?? '', Code, Message })
}
