import { PATHS } from '@attache/protocol'
import type { ArchivedFile } from './archive.ts'
import { type Stage, someBytes } from './client.fixture.ts'

/** A document with six attachments, one of them named twice, in all four places. */
export async function bill(on: Stage, size = 20_000) {
  const names = ['a.pdf', 'A.pdf', '收据.png', 'a.pdf', 'CON.txt', '审批.txt']
  const contents = new Map<string, Uint8Array>()
  const triples: Pick<ArchivedFile, 'key' | 'fileId' | 'fileName'>[] = []
  for (const name of names) {
    const bytes = someBytes(size)
    const { key, fileId, fileName } = await on.client.upload(bytes, { name })
    contents.set(key, bytes)
    triples.push({ key, fileId, fileName })
  }
  const [a, b, c, d, e, f] = triples
  const form = {
    title: '差旅',
    attachments: [a, b, a],
    details: [{ feeTypeForm: { attachments: [c, d], invoiceForm: { attachments: [e] } } }],
  }
  const answer = await fetch(`${on.proxy.url}${PATHS.createDocument}?accessToken=${await on.client.token()}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ form, logs: [{ attachments: [f] }] }),
  })
  const { flow } = (await answer.json()) as { flow: { form: { code: string } } }
  return { code: flow.form.code, contents, keys: triples.map(({ key }) => key) }
}
