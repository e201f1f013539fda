import { PATHS } from '@attache/protocol'
import type { FastifyRequest } from 'fastify'
import type { AppRecords } from '../records/record-store.ts'
import { type Hint, hint, quoted, timeOf } from './hint.ts'
import type { SeenTokens } from './seen-tokens.ts'

export interface TokenHintsDeps {
  tokens: SeenTokens
  apps: Pick<AppRecords, 'find'>
  now(): number
}

const ANEW = { en: `take a new one from ${PATHS.getAccessToken}`, zh: '请重新调用getAccessToken获取' }

/** Why an access token was refused. The token itself is never repeated. */
export function unauthorizedHint(request: FastifyRequest, { tokens, now }: TokenHintsDeps): Hint {
  const query = request.query as Record<string, string | undefined>
  const token = query['accessToken'] ?? /^Bearer (\S+)$/i.exec(request.headers.authorization ?? '')?.[1]
  if (!token) return missingToken(request, query)
  if (token.includes('?')) {
    return hint(
      'second-question-mark',
      'the URL has a second "?", so what follows it became part of accessToken: join further parameters with "&"',
      'URL中有第二个“?”，其后的内容成了accessToken的一部分：其余参数请用“&”连接',
    )
  }
  if (/^(undefined|null|nil|none|\[object Object\]|[{<$].*)$/i.test(token)) {
    return hint(
      'token-placeholder',
      `accessToken is the word ${quoted(token)}: a variable was empty, or a placeholder was not filled in`,
      `accessToken的值是${quoted(token)}：变量为空，或占位符没有替换`,
    )
  }
  const seen = tokens.find(token)
  if (seen?.kind === 'refresh') {
    return hint(
      'refresh-token-used',
      'this is the refreshToken: send the accessToken that came with it',
      '这是refreshToken：请使用同时返回的accessToken',
    )
  }
  if (seen?.replaced) {
    return hint(
      'token-replaced',
      'refreshToken gave a new pair for this accessToken, which ended it: use the new one',
      '该accessToken已通过refreshToken换成新的，旧的随即失效：请使用新的accessToken',
    )
  }
  if (seen && seen.expiresAt <= now()) {
    const [expired, current] = [timeOf(seen.expiresAt), timeOf(now())]
    return hint(
      'token-expired',
      `the accessToken expired at ${expired}, it is ${current} now: ${ANEW.en}`,
      `accessToken已于${expired}过期，当前时间${current}：${ANEW.zh}`,
    )
  }
  return hint(
    'token-unknown',
    `this server gave no such accessToken, or it has ended: was it cut, encoded twice, or given by another server? Else ${ANEW.en}`,
    `本服务没有签发过该accessToken，或已失效：是否被截断、重复编码，或来自其他服务？否则${ANEW.zh}`,
  )
}

const MISNAMED = /^(access_?token|token|authorization|x-access-token)$/i

function missingToken(request: FastifyRequest, query: Record<string, string | undefined>): Hint {
  const names = [...Object.keys(query), ...Object.keys(request.headers)]
  const misnamed = names.find((name) => MISNAMED.test(name) && query[name] !== '' && name !== 'accessToken')
  const [en, zh] =
    misnamed === undefined
      ? ['', '']
      : [`; ${quoted(misnamed)} is not looked at in this form`, `；${quoted(misnamed)}不会以这种形式读取`]
  return hint(
    'token-missing',
    `there is no accessToken: put ?accessToken=… into the URL, or "Authorization: Bearer …" into the headers${en}`,
    `缺少accessToken：请放在URL参数accessToken中，或请求头“Authorization: Bearer …”中${zh}`,
  )
}

/** Why a pair of appKey and appSecurity was refused. Neither is repeated. */
export async function secretHint({ body, query }: FastifyRequest, { apps }: TokenHintsDeps): Promise<Hint> {
  const fields: Record<string, unknown> = typeof body === 'object' && body !== null ? { ...body } : {}
  const missing = ['appKey', 'appSecurity'].filter((name) => typeof fields[name] !== 'string' || fields[name] === '')
  if (missing.length > 0) {
    const sent = Object.keys(fields).filter((name) => !['appKey', 'appSecurity'].includes(name))
    const inQuery = Object.keys(query as object).some((name) => missing.includes(name))
    const [en, zh] = inQuery
      ? ['; they belong into the JSON body, not into the URL', '；应放在JSON请求体中，而不是URL中']
      : sent.length > 0
        ? [`; the body has ${quoted(sent.join(', '))}`, `；请求体中有${quoted(sent.join(', '))}`]
        : ['', '']
    return hint(
      'fields-missing',
      `the JSON body lacks ${missing.join(' and ')} as a string${en}`,
      `JSON请求体缺少字符串字段${missing.join('、')}${zh}`,
    )
  }
  const app = await apps.find(String(fields['appKey']))
  if (app === undefined) {
    return hint(
      'app-unknown',
      'there is no app with this appKey: use that of the banner, or add it to the seed file',
      '没有这个appKey：请使用启动信息中的appKey，或在seed文件中添加',
    )
  }
  return app.disabledAt === null
    ? hint('secret-wrong', 'the appKey is known, the appSecurity is another', 'appKey存在，但appSecurity不正确')
    : hint('app-disabled', 'the app with this appKey was disabled', '该appKey已停用')
}
