/** What callers of a service do all day, and what they do wrong; for F4. */
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { plain } from '../pictures.ts'
import { type Attache, bytesOf, DOWNLOAD_URLS, type Link, UPLOAD, type Uploaded } from '../server.ts'

const LINKS = 200
const PICTURES = 10
/** Larger than the buffers between the two sides: who leaves then leaves in the middle. */
const LARGE = 4_000_000

interface Known {
  ref: { id: string; key: string; expiration: number }
  link: Link
}

type Call = () => Promise<unknown>

/** Each call fails when it is not answered as it has to be. */
export async function mixOf(attache: Attache, random: () => number): Promise<readonly Call[]> {
  const known = await someLinks(attache)
  const large = (await linked(attache, await attache.upload('large.bin', randomBytes(LARGE)))).link
  const some = <T>(list: readonly T[]): T => list[Math.floor(random() * list.length)] as T
  const usual = [
    () => attache.upload('soak.bin', randomBytes(Math.ceil(200_000 ** random()))),
    () => attache.links(Array.from({ length: 50 }, () => some(known).ref)),
    async () => bytesOf(await fetch(some(known).link.url)),
    async () => bytesOf(await fetch(some(known).link.url, { headers: { range: 'bytes=100-299' } })),
    async () => bytesOf(await fetch(some(known.slice(0, PICTURES)).link.thumbUrl)),
    () => attache.token(),
  ]
  const token = await attache.token()
  const rare = [
    () => document(attache, { token, ref: some(known).ref }),
    () => leave(large.url),
    () => refused(403, some(known).link.url.replace('Signature=', 'Signature=x')),
    () => refused(403, `${attache.url}${DOWNLOAD_URLS}?accessToken=x`, { method: 'POST', body: '[]' }),
    () => refused(400, `${attache.url}${UPLOAD}?accessToken=${token}`, { method: 'POST', body: badForm() }),
  ]
  return [...usual, ...usual, ...rare]
}

async function someLinks(attache: Attache): Promise<Known[]> {
  const picture = Buffer.from(await plain(400, 300).jpeg().toBuffer())
  const known: Known[] = []
  for (let index = 0; index < LINKS; index++) {
    const isPicture = index < PICTURES
    const uploaded = await attache.upload(
      isPicture ? 'a.jpg' : 'a.bin',
      isPicture ? picture : randomBytes(1000 * (index + 1)),
    )
    known.push(await linked(attache, uploaded))
  }
  return known
}

/** For longer than any soak takes. */
async function linked(attache: Attache, { fileId: id, key }: Uploaded): Promise<Known> {
  const ref = { id, key, expiration: 86_400 }
  const [link] = await attache.links([ref])
  assert.ok(link)
  return { ref, link }
}

async function document({ url }: Attache, { token, ref }: { token: string; ref: Known['ref'] }): Promise<void> {
  const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' }
  const form = { attachments: [{ fileId: ref.id, key: ref.key, fileName: 'a' }] }
  const made = await fetch(`${url}/api/openapi/v2.2/flow/data`, {
    method: 'POST',
    headers,
    body: JSON.stringify({ form }),
  })
  assert.equal(made.status, 200)
  const { flow } = (await made.json()) as { flow: { form: { code: string } } }
  await bytesOf(await fetch(`${url}/api/openapi/v1.1/flowDetails/byCode?code=${flow.form.code}`, { headers }))
}

async function leave(url: string): Promise<void> {
  const leaving = new AbortController()
  const { status, body } = await fetch(url, { signal: leaving.signal })
  assert.equal(status, 200)
  await body?.getReader().read()
  leaving.abort()
}

async function refused(wanted: number, url: string, init: RequestInit = {}): Promise<void> {
  const headers = typeof init.body === 'string' ? { 'content-type': 'application/json' } : {}
  const response = await fetch(url, { ...init, headers })
  await response.arrayBuffer()
  assert.equal(response.status, wanted)
}

function badForm(): FormData {
  const form = new FormData()
  form.append('name', 'a/b.txt')
  form.append('file', new Blob([randomBytes(20_000)]), 'x')
  return form
}
