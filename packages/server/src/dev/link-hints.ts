import type { FastifyRequest } from 'fastify'
import { type AuthenticationRules, authenticate } from '../oss/authenticate.ts'
import { OssFailure } from '../oss/failure.ts'
import { parseTarget } from '../oss/target.ts'
import type { RecordStore } from '../records/record-store.ts'
import { type Hint, hint, quoted, timeOf } from './hint.ts'
import { repairsOf } from './link-repairs.ts'
import { unknownPathHint } from './path-hints.ts'
import { pathOf } from './request-log.ts'

export interface LinkHintsDeps {
  records: Pick<RecordStore, 'attachments'>
  signingKey: AuthenticationRules['signingKey']
  bucket: string
  region: string
  strict: boolean
  now(): number
}

/** Why the data plane refused, and what to do about it. */
export async function linkHint(
  failure: OssFailure,
  request: FastifyRequest,
  deps: LinkHintsDeps,
): Promise<Hint | undefined> {
  const { originalUrl, method, headers } = request
  switch (failure.code) {
    case 'Expired':
      return expiredHint(originalUrl, deps.now())
    case 'AnonymousObject':
    case 'AnonymousBucket':
      return unsignedHint(pathOf(request), deps.bucket)
    case 'TwoAuthentications':
      return hint(
        'link-with-authorization',
        'a link carries its own signature: send no Authorization header with it',
        '链接自带签名：下载时不要再发送Authorization请求头',
      )
    case 'NoSuchKey':
      return hint('link-object-gone', 'the link is right, its attachment was removed', '链接有效，但附件已删除')
    case 'MethodNotAllowed':
      return hint(
        'wrong-method',
        `${method} does not work on links: use GET or HEAD`,
        `链接不支持${method}：请使用GET或HEAD`,
      )
    case 'BadRequest':
      return hint(
        'no-thumbnail',
        `thumbnails are made of JPEG, PNG, WebP, GIF and of a PDF's first page; get the original by url`,
        '缩略图仅支持JPEG、PNG、WebP、GIF以及PDF首页；原文件请使用url下载',
      )
    case 'InvalidRange': {
      const { ActualObjectSize: size = '?' } = failure.elements
      const range = quoted(headers.range ?? '')
      return hint(
        'range-beyond-end',
        `the Range ${range} begins after the end: the attachment has ${size} bytes`,
        `Range ${range}超出末尾：附件共${size}字节`,
      )
    }
    case 'MissingParameters':
    case 'InvalidExpires':
    case 'SignatureDoesNotMatch':
    case 'InvalidSecurityToken':
    case 'InvalidAccessKeyId':
    case 'TokenMissing':
    case 'AccessKeyIdAndSecurityTokenNotMatch':
    case 'InvalidObjectName':
      return alteredHint(failure, request, deps)
    case 'SecurityTokenExpired':
      return hint(
        'link-revoked',
        'the links of this corporation were revoked: ask downloadurls anew',
        '该企业的链接已被吊销：请重新获取',
      )
    default:
      return undefined
  }
}

function expiredHint(target: string, now: number): Hint {
  const { query } = parseTarget(target)
  const expires = Number(query.get('Expires'))
  const [ended, current] = [timeOf(expires * 1000), timeOf(now)]
  return hint(
    'link-expired',
    `the link expired at ${ended}, it is ${current} now: ask downloadurls anew, with a larger expiration if need be`,
    `链接已于${ended}失效，当前时间${current}：请重新调用downloadurls，必要时加大expiration`,
  )
}

/** Nothing of a signature came: a path that is none of ours, or a link that lost its query. */
function unsignedHint(path: string, bucket: string): Hint {
  if (!path.startsWith(`/${bucket}/`)) return unknownPathHint(path)
  return hint(
    'link-without-query',
    'the link has lost everything after "?": use it whole, and in a shell put it between quotes',
    '链接丢失了“?”之后的全部内容：请完整使用，在命令行中请加引号',
  )
}

async function alteredHint(failure: OssFailure, request: FastifyRequest, deps: LinkHintsDeps): Promise<Hint> {
  const target = request.originalUrl
  for (const repair of repairsOf(target)) {
    if (await isSigned(repair.target, repair.method ?? request.method, { request, deps })) {
      return altered(repair.en, repair.zh)
    }
  }
  const { query } = parseTarget(target)
  const missing = ['Expires', 'OSSAccessKeyId', 'Signature', 'security-token'].filter((name) => !query.get(name))
  if (missing.length > 0 && !query.has('x-oss-signature-version')) {
    const names = missing.join(', ')
    return altered(
      `${names} is missing: in a shell put the link between quotes, for "&" ends a command`,
      `缺少${names}；在命令行中请给链接加引号，否则“&”会截断命令`,
    )
  }
  const [en, zh] = await suspect(failure, request, deps)
  return altered(en, zh)
}

function altered(en: string, zh: string): Hint {
  return hint(
    'link-altered',
    `the link was changed, most likely ${en}. Links are opaque: use them untouched`,
    `链接被改动，很可能是${zh}。链接不可改动，请原样使用`,
  )
}

/** By elimination, where no single change can be undone. */
async function suspect({ code }: OssFailure, request: FastifyRequest, deps: LinkHintsDeps): Promise<[string, string]> {
  const { query } = parseTarget(request.originalUrl)
  if (code === 'InvalidObjectName') return ['the key: its percent-encoding is broken', 'key：百分号编码已损坏']
  if (code === 'InvalidExpires') return ['Expires, which is a number of seconds', 'Expires，应为秒数']
  if (code === 'InvalidSecurityToken') {
    return [
      'security-token, unless the link is of another server or its key was rotated',
      'security-token，或链接来自其他服务、密钥已轮换',
    ]
  }
  if (code === 'AccessKeyIdAndSecurityTokenNotMatch' || code === 'InvalidAccessKeyId')
    return ['OSSAccessKeyId', 'OSSAccessKeyId']
  const signature = query.get('Signature')?.replaceAll(' ', '+') ?? ''
  if (!/^[A-Za-z0-9+/]{27}=$/.test(signature)) {
    return [
      `Signature, which has ${signature.length} characters instead of 28`,
      `Signature，长度为${signature.length}，应为28`,
    ]
  }
  const path = pathOf(request)
  const key = path.startsWith(`/${deps.bucket}/`) ? path.slice(deps.bucket.length + 2) : path.slice(1)
  const known = await deps.records.attachments.byKey(key)
  if (known === undefined) return ['the key: there is no such attachment', 'key：没有这个附件']
  return ['Expires or Signature', 'Expires或Signature']
}

async function isSigned(
  target: string,
  method: string,
  { request, deps }: { request: FastifyRequest; deps: LinkHintsDeps },
): Promise<boolean> {
  const { host = '' } = request.headers
  const { bucket: defaultBucket, region, strict, signingKey } = deps
  try {
    await authenticate(
      { method, target, headers: { host } },
      { defaultBucket, region, strict, now: deps.now(), signingKey },
    )
    return true
  } catch (error) {
    if (error instanceof OssFailure) return false
    throw error
  }
}
