/** What an integrator may have written: it fetches an attachment by its id and key, and is not put off at the first failure. */

export interface Account {
  url: string
  appKey: string
  appSecurity: string
}

export interface AttachmentName {
  fileId: string
  key: string
}

const TRIES = 3

export async function download(account: Account, name: AttachmentName): Promise<Uint8Array> {
  for (let attempt = 1; ; attempt++) {
    const response = await fetch(await linkTo(account, name))
    if (response.ok) return new Uint8Array(await response.arrayBuffer())
    const waitSeconds = Number(response.headers.get('retry-after') ?? Number.NaN)
    if (attempt === TRIES || Number.isNaN(waitSeconds)) throw new Error(`the download was refused: ${response.status}`)
    await new Promise((resolve) => setTimeout(resolve, waitSeconds * 1000))
  }
}

const tokens = new Map<string, string>()

async function linkTo(account: Account, { fileId: id, key }: AttachmentName): Promise<string> {
  const token = tokens.get(account.url) ?? (await newToken(account))
  const path = `/api/openapi/v2/attachment/downloadurls?accessToken=${token}`
  const response = await post(account.url + path, [{ id, key, expiration: 600 }])
  if (response.status === 403) {
    tokens.delete(account.url)
    return linkTo(account, { fileId: id, key })
  }
  const [link] = (await response.json()) as { url: string }[]
  if (link === undefined) throw new Error(`there is no attachment ${id}`)
  return link.url
}

async function newToken({ url, appKey, appSecurity }: Account): Promise<string> {
  const response = await post(`${url}/api/openapi/v1/auth/getAccessToken`, { appKey, appSecurity })
  const { value } = (await response.json()) as { value: { accessToken: string } }
  tokens.set(url, value.accessToken)
  return value.accessToken
}

function post(url: string, body: unknown): Promise<Response> {
  return fetch(url, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) })
}
