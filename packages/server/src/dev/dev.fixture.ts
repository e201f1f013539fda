import { PATHS } from '@attache/protocol'
import { HINT_HEADER } from './hint.ts'
import type { SeededAttachment, TestAttache } from './testing.ts'

/** Calls as an integrator makes them, over the network. */
export interface Calls {
  token(): Promise<string>
  /** A POST of the control plane; a body that is no text is sent as JSON. */
  post(path: string, body: unknown, headers?: Record<string, string>): Promise<Response>
  upload(name: string, bytes: Uint8Array<ArrayBuffer>): Promise<Response>
  link(attachment: SeededAttachment, expiration?: number): Promise<{ url: string; thumbUrl: string }>
}

export function callsOf({ url, appKey, appSecurity }: TestAttache): Calls {
  const post = (path: string, body: unknown, headers: Record<string, string> = JSON_TYPE) =>
    fetch(url + path, { method: 'POST', headers, body: typeof body === 'string' ? body : JSON.stringify(body) })

  async function token(): Promise<string> {
    const answer = await post(PATHS.getAccessToken, { appKey, appSecurity })
    return ((await answer.json()) as { value: { accessToken: string } }).value.accessToken
  }

  return {
    token,
    post,
    async upload(name, bytes) {
      const form = new FormData()
      form.append('name', name)
      form.append('file', new Blob([bytes]), 'file')
      return fetch(`${url}${PATHS.upload}?accessToken=${await token()}`, { method: 'POST', body: form })
    },
    async link({ fileId: id, key }, expiration = 1000) {
      const answer = await post(`${PATHS.downloadUrls}?accessToken=${await token()}`, [{ id, key, expiration }])
      const [link] = (await answer.json()) as { url: string; thumbUrl: string }[]
      if (link === undefined) throw new Error(`no link for ${key}`)
      return link
    },
  }
}

const JSON_TYPE = { 'content-type': 'application/json' }

/** The lines of the hint on an answer, whose body is read to its end. */
export async function hintsOf(answer: Response | Promise<Response>): Promise<string[]> {
  const { headers, body } = await answer
  await body?.cancel()
  const header = headers.get(HINT_HEADER)
  return header === null ? [] : decodeURIComponent(header).split('\n')
}
