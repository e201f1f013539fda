/** A request of each kind that callers make, for a row that wants to see every route go wrong. */
import { randomBytes } from 'node:crypto'
import { PATHS, POWER_CODE } from '@attache/protocol'
import { plain } from '../pictures.ts'
import { callsOf, formOf, type Link, postForm, type Uploaded } from '../server.ts'

export interface App {
  url: string
  appKey: string
  appSecurity: string
}

export type Ask = () => Promise<Response>

const LARGE = 300_000

/** What several steps are needed for answers with the first one that goes wrong. */
export async function allRoutes({ url, appKey, appSecurity }: App): Promise<Ask[]> {
  const calls = callsOf({ url, appKey, appSecurity })
  const token = await calls.token()
  const jpeg = Buffer.from(await plain(300, 200).jpeg().toBuffer())
  const picture = await calls.upload('a.jpg', jpeg)
  const { url: link, thumbUrl } = await calls.linkOf(picture)
  const large = await calls.linkOf(await calls.upload('a.bin', randomBytes(LARGE)))
  const authorization = `Bearer ${token}`
  const send = (method: string, path: string, body: unknown) =>
    fetch(url + path, {
      method,
      headers: { authorization, 'content-type': 'application/json' },
      body: JSON.stringify(body),
    })
  const get = (path: string, query: Record<string, string> = {}) =>
    fetch(`${url}${path}?${new URLSearchParams(query)}`, { headers: { authorization } })
  const attachments = [{ fileId: picture.fileId, key: picture.key }]
  const create = () => send('POST', PATHS.createDocument, { form: { title: 'x', attachments } })
  const { flow } = (await (await create()).json()) as { flow: { id: string; form: { code: string } } }
  const login = () => send('POST', PATHS.getAccessToken, { appKey, appSecurity })
  const linksOf = ({ fileId: id, key }: Uploaded) =>
    send('POST', `${PATHS.downloadUrls}?accessToken=${token}`, [{ id, key, expiration: 5 }])

  /** Each refresh takes a pair of its own, which it ends. */
  async function refreshed(path: string, more: Record<string, string>): Promise<Response> {
    const issued = await login()
    if (!issued.ok) return issued
    const { accessToken, refreshToken } = ((await issued.json()) as { value: Record<string, string> }).value
    const query = { accessToken, refreshToken, powerCode: POWER_CODE, ...more } as Record<string, string>
    return fetch(`${url}${path}?${new URLSearchParams(query)}`, { method: 'POST' })
  }

  /** Of a picture that nobody has seen before. */
  async function thumbnail(): Promise<Response> {
    const uploaded = await postForm(url, token, formOf('b.jpg', jpeg))
    if (!uploaded.ok) return uploaded
    const linked = await linksOf(((await uploaded.json()) as { value: Uploaded }).value)
    if (!linked.ok) return linked
    const [fresh] = (await linked.json()) as Link[]
    return fetch(fresh?.thumbUrl ?? url)
  }

  return [
    login,
    () => refreshed(PATHS.refreshToken, {}),
    () => refreshed(PATHS.refreshTokenExpireDate, { expireDate: '3' }),
    () => postForm(url, token, formOf('b.txt', Buffer.from('x'))),
    () => streamed(`${url}${PATHS.upload}?accessToken=${token}`),
    () => linksOf(picture),
    create,
    () =>
      send('PUT', `${PATHS.updateDocument.replace(':dollarFlowId', `$${flow.id}`)}?editFlag=increment`, { form: {} }),
    () => get(PATHS.document, { flowId: flow.id }),
    () => get(PATHS.documentByCode, { code: flow.form.code }),
    () => send('POST', PATHS.documentAttachments, { flowIds: [flow.id] }),
    () => get(PATHS.location),
    () => fetch(link),
    () => fetch(large.url),
    () => fetch(large.url, { headers: { range: 'bytes=100-299' } }),
    () => fetch(large.url, { method: 'HEAD' }),
    () => fetch(thumbUrl),
    thumbnail,
    () => get('/readyz'),
    () => get('/metrics'),
  ]
}

/** A form that comes in pieces and says no length. */
function streamed(address: string): Promise<Response> {
  const part = (disposition: string) => `--edge\r\nContent-Disposition: form-data; ${disposition}\r\n\r\n`
  const pieces = [
    Buffer.from(`${part('name="name"')}c.bin\r\n${part('name="file"; filename="f"')}`),
    ...Array.from({ length: 10 }, () => randomBytes(LARGE / 10)),
    Buffer.from('\r\n--edge--\r\n'),
  ]
  const body = new ReadableStream({
    pull(controller) {
      const next = pieces.shift()
      if (next) controller.enqueue(next)
      else controller.close()
    },
  })
  const headers = { 'content-type': 'multipart/form-data; boundary=edge' }
  return fetch(address, { method: 'POST', headers, body, duplex: 'half' })
}
