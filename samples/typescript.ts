/**
 * Attaché from TypeScript with its client: upload → document → read it back → checked download into ./downloads.
 *
 *     export ATTACHE_URL=http://127.0.0.1:8700 ATTACHE_APP_KEY=… ATTACHE_APP_SECURITY=…
 *     npx node --conditions=@attache/source typescript.ts 发票.pdf
 *
 * The condition takes the client from this repository's sources; with the package installed, leave it out.
 */
import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { basename, join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { attachmentsOf, createClient, type UploadedAttachment } from '@attache/client/node'

const { ATTACHE_URL: baseUrl, ATTACHE_APP_KEY: appKey, ATTACHE_APP_SECURITY: appSecurity } = process.env

async function main(path: string | undefined): Promise<void> {
  if (path === undefined) throw new Error('usage: typescript.ts FILE')
  if (!baseUrl || !appKey || !appSecurity) throw new Error('set ATTACHE_URL, ATTACHE_APP_KEY and ATTACHE_APP_SECURITY')
  // The access token is fetched when first needed, and again before it ends.
  const client = createClient({ baseUrl, appKey, appSecurity })

  const uploaded = await client.uploadFile(path)
  const code = await createDocument(await client.token(), uploaded)
  const document = await client.document(code)

  for (const attachment of attachmentsOf(document)) {
    // A document may hold any fileName: only its last part becomes a name here.
    const name = basename(attachment.fileName ?? attachment.key)
    // Status, length and digests are checked, bytes go to a `.part` that is renamed when all is right.
    const saved = await client.downloadFile(attachment, join('downloads', name))
    const md5 = createHash('md5')
    await pipeline(createReadStream(saved.path), md5)
    console.log(`ok ${name} ${saved.size} ${md5.digest('hex')}`)
  }
}

/** The client leaves the making of documents to you. The vendor's own service wants the fields of your template as well. */
async function createDocument(token: string, { key, fileId, fileName }: UploadedAttachment): Promise<string> {
  const query = new URLSearchParams({ isCommit: 'false', accessToken: token })
  const response = await fetch(`${baseUrl?.replace(/\/+$/, '')}/api/openapi/v2.2/flow/data?${query}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ form: { title: 'TypeScript', attachments: [{ key, fileId, fileName }] } }),
    signal: AbortSignal.timeout(30_000),
  })
  const text = await response.text()
  if (response.status !== 200) throw new Error(reasonIn(text) || `HTTP ${response.status} ${text.slice(0, 200)}`)
  return JSON.parse(text).flow.form.code
}

/** What the service says of a failure; a proxy says it in plain text. */
function reasonIn(text: string): string | undefined {
  try {
    return JSON.parse(text).errorMessage
  } catch {
    return undefined
  }
}

try {
  await main(process.argv[2])
} catch (error) {
  // The client's errors hold no token and no link.
  console.error(error instanceof Error ? error.message : error)
  process.exitCode = 1
}
