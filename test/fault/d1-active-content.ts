/** D1: what users upload runs no script in Chromium, opened or embedded, and every answer carries the headers that see to it. */
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Page } from 'playwright-core'
import { type Attache, type Link, startAttache } from '../server.ts'
import { signatureOf } from '../v1-signer.ts'
import { inChromium } from './b-chromium.ts'
import { activeFiles } from './d-active-files.ts'
import { NotHere, row, type Stage, type Verdict } from './stage.ts'

const SETTLE_MS = 60
const GUARDS: Record<string, RegExp> = {
  'x-content-type-options': /^nosniff$/,
  'content-security-policy': /^default-src 'none'; sandbox$/,
  'cross-origin-resource-policy': /./,
  'referrer-policy': /^no-referrer$/,
}
const SHOWN = /^(image\/(jpeg|png|gif|webp)|application\/pdf)$/

/** A server of ours on another origin: keeps who called, and gives pages that embed what they are told to. */
interface Witness {
  url: string
  calls: string[]
  page: string
}

async function prove({ directory, defer }: Stage): Promise<Verdict> {
  const attache = await startAttache({ data: directory })
  defer(() => attache.stop())
  const witness = await openWitness(defer)
  const files = activeFiles(`${witness.url}/ran`)
  const links: Link[] = []
  for (const { name, bytes } of files) links.push(await attache.linkOf(await attache.upload(name, Buffer.from(bytes))))
  const bare = await unguarded(links)
  const seen = await inChromium((page) => opened(page, { attache, witness, links }))
  if (seen === undefined) throw new NotHere('no /usr/bin/chromium: apt-get install --no-install-recommends chromium')
  if (!seen.control) throw new Error('the witness did not hear of a script that must run')
  for (const line of [...seen.ran, ...bare]) console.log(line)
  const figure = `${files.length} active files, ${seen.visits} visits (opened, embedded 7 ways, opened as a signed text/html): ${seen.ran.length} scripts ran; ${bare.length} answers without a guard`
  return { ok: seen.ran.length === 0 && bare.length === 0, figure }
}

async function openWitness(defer: Stage['defer']): Promise<Witness> {
  const witness: Witness = { url: '', calls: [], page: '' }
  const server = createServer((request, response) => {
    if (request.url?.startsWith('/ran')) witness.calls.push(request.url)
    response
      .setHeader('content-type', 'text/html')
      .setHeader('access-control-allow-origin', '*')
      .end(request.url === '/page' ? witness.page : '')
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  defer(() => {
    server.closeAllConnections()
    server.close()
  })
  witness.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  return witness
}

/** Answers of every kind about each file that lack a header, or show what may not be shown. */
async function unguarded(links: readonly Link[]): Promise<string[]> {
  const wrong: string[] = []
  for (const { key, url, thumbUrl } of links) {
    const kinds: [string, string, RequestInit][] = [
      ['whole', url, {}],
      ['part', url, { headers: { range: 'bytes=0-3' } }],
      ['head', url, { method: 'HEAD' }],
      ['unchanged', url, { headers: { 'if-none-match': '*' } }],
      ['beyond', url, { headers: { range: 'bytes=99999999-' } }],
      ['thumbnail', thumbUrl, {}],
      ['forged', url.replace('Signature=', 'Signature=x'), {}],
      ['unsigned', url.replace(/\?.*/, ''), {}],
    ]
    for (const [kind, address, init] of kinds) {
      const response = await fetch(address, init)
      await response.arrayBuffer()
      for (const [name, wanted] of Object.entries(GUARDS)) {
        if (!wanted.test(response.headers.get(name) ?? ''))
          wrong.push(`${kind} of ${key.slice(-12)}: ${name} is ${response.headers.get(name)}`)
      }
      const type = response.headers.get('content-type') ?? ''
      const inline = /^inline/.test(response.headers.get('content-disposition') ?? '')
      if (inline && !SHOWN.test(type)) wrong.push(`${kind} of ${key.slice(-12)}: ${type} inline`)
      if (/html|svg|javascript|xhtml|x-shockwave/.test(type)) wrong.push(`${kind} of ${key.slice(-12)}: ${type}`)
    }
  }
  return wrong
}

interface Visit {
  attache: Attache
  witness: Witness
  links: readonly Link[]
}

async function opened(page: Page, { attache, witness, links }: Visit) {
  const ran: string[] = []
  let visits = 0
  let told = ''
  page.on('dialog', async (dialog) => {
    told += `dialog ${dialog.message()} `
    await dialog.dismiss()
  })
  page.on('console', (message) => {
    if (message.text().includes('RAN')) told += 'console '
  })
  const visit = async (what: string, address: string) => {
    visits++
    ;[told, witness.calls.length] = ['', 0]
    await page.goto(address, { timeout: 5000 }).catch(() => {})
    await page.waitForTimeout(SETTLE_MS)
    const heard = `${told}${witness.calls.join(' ')}`
    if (heard !== '') ran.push(`${what}: ${heard}`)
    return heard !== ''
  }

  witness.page = `<script>fetch('${witness.url}/ran?control')</script>`
  const control = await visit('control', `${witness.url}/page`)
  ran.length = 0
  for (const { key, url } of links) {
    const name = key.slice(key.lastIndexOf('-') + 1)
    await visit(`${name} opened`, url)
    await visit(`${name} opened as a page`, asPage(attache, key))
    witness.page = embedding(url)
    await visit(`${name} embedded`, `${witness.url}/page`)
  }
  return { ran, visits, control }
}

function embedding(url: string): string {
  const address = url.replaceAll('&', '&amp;')
  return `<!doctype html><img src="${address}"><iframe src="${address}"></iframe><object data="${address}"></object><embed src="${address}">
    <script src="${address}"></script><link rel="stylesheet" href="${address}"><script type="module">import('${url}').catch(() => {})</script>`
}

/** Worse than any caller can: signed by the operator's pair to be shown as HTML. */
function asPage({ url, bucket, link }: Attache, key: string): string {
  const expires = String(Math.ceil(Date.now() / 1000) + 600)
  const signed: [string, string][] = [
    ['security-token', link.securityToken],
    ['response-content-type', 'text/html'],
    ['response-content-disposition', 'inline'],
  ]
  const signature = signatureOf(link.accessKeySecret, { bucket, key, expires, signed: [...signed] })
  const query = new URLSearchParams({
    Expires: expires,
    OSSAccessKeyId: link.accessKeyId,
    Signature: signature,
    ...Object.fromEntries(signed),
  })
  return `${url}/${bucket}/${encodeURIComponent(key)}?${query}`
}

await row('D1', prove)
