import type { AccessTokens } from './access-tokens.ts'
import { isUnauthorized } from './errors.ts'
import type { JsonCall } from './json-calls.ts'
import type { Call } from './transport.ts'

export interface ApiOptions {
  baseUrl: string
  tokens: AccessTokens
  json: JsonCall
  /** For one try. */
  timeoutMilliseconds: number
}

/** What differs from call to call. */
export type ApiCall = Pick<Call, 'operation'> & Partial<Omit<Call, 'operation' | 'plane' | 'url'>> & { path: string }

/** Makes calls with the token in force, and gives the JSON that comes back. */
export type Api = (call: ApiCall) => Promise<unknown>

export function api({ baseUrl, tokens, json, timeoutMilliseconds }: ApiOptions): Api {
  function withToken({ path, init, ...rest }: ApiCall, token: string): Call {
    const join = path.includes('?') ? '&' : '?'
    return {
      plane: 'control',
      url: `${baseUrl}${path}${join}accessToken=${encodeURIComponent(token)}`,
      repeatable: 'always',
      timeoutMilliseconds,
      ...rest,
      // A redirect would carry the token to another host, and turn a POST into a GET.
      init: { redirect: 'manual', ...init },
    }
  }

  return async (call) => {
    const token = await tokens.get(call.signal)
    try {
      return await json(withToken(call, token))
    } catch (error) {
      if (!isUnauthorized(error)) throw error
      tokens.refused(token)
      return await json(withToken(call, await tokens.get(call.signal)))
    }
  }
}

/** A POST of a JSON body. */
export function posted(value: unknown): Pick<Call, 'init' | 'body'> {
  return {
    init: { method: 'POST', headers: { 'content-type': 'application/json' } },
    body: () => ({ body: JSON.stringify(value) }),
  }
}
